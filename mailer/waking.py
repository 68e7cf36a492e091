"""Waking the workers. A lost wake-up costs half a second: beat wakes them too, and PostgreSQL holds what there is to do."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)
# An old wake-up is worth nothing: beat has sent a newer one. Workers that come back after a stop find those of five seconds, ten of beat's and
# one a request, and not those of a minute, which other tasks would wait behind.
EXPIRES_SECONDS = 5


def wake(task: str) -> None:
    """Send a wake-up once the transaction has committed; work that is stored stays accepted whether or not it arrives."""

    def send() -> None:
        try:
            current_app.send_task(task, expires=EXPIRES_SECONDS, retry=False, ignore_result=True)
        except OperationalError:
            logger.warning("%s could not be woken; beat will", task)

    transaction.on_commit(send)


def wake_outbox() -> None:
    wake("mailer.tasks.drain")
