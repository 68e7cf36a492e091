"""Gunicorn's settings for the web process of `manage.py up`; a deployment has its own."""

import signal
from typing import Protocol

from portal.running.leash import die_with_parent

workers = 2
threads = 4
worker_class = "gthread"
# The application is imported once and forked, which halves the time to the first page; no connection is open by then.
preload_app = True
control_socket_disable = True


class _Worker(Protocol):
    ppid: int


def post_fork(_server: object, worker: _Worker) -> None:
    """A killed master leaves no worker behind."""
    die_with_parent(signal.SIGKILL, worker.ppid)
