"""The Celery application. Tasks carry ids and hold no logic; PostgreSQL is the truth."""

import os
import signal

from celery import Celery
from celery.signals import celeryd_after_setup, worker_process_init

from portal.frozen import freeze_loaded
from portal.running.leash import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("letterlock")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Read when the worker starts, so that its forked pool knows whose end to follow.
_MAIN_PROCESS = os.getpid()


@worker_process_init.connect
def _end_with_the_worker(**_: object) -> None:
    """A killed worker leaves no pool process behind; what it was doing is reclaimed from the outbox."""
    if os.getpid() != _MAIN_PROCESS:
        die_with_parent(signal.SIGKILL, _MAIN_PROCESS)


@celeryd_after_setup.connect
def _keep_what_is_loaded(**_: object) -> None:
    # Before the pool is forked: a collection in a child writes to all that it shares with its parent, and each page becomes its own.
    freeze_loaded()
