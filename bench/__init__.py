"""What it costs, as ratios against fixed floors measured in the same run: `make bench`."""
