"""What starts, watches and ends the processes of one installation: services, web, workers, and the demo's own servers."""
