"""The Celery application. Tasks carry ids and hold no logic; PostgreSQL is the truth."""

import os
import signal

from celery import Celery
from celery.signals import worker_process_init

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


@worker_process_init.connect
def _keep_what_is_loaded(**_: object) -> None:
    freeze_loaded()
