"""The tasks by which workers are woken: each scheduled name exists, runs twice, and a lost wake-up loses nothing."""

import logging
from datetime import datetime

import pytest
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from mailer import tasks
from mailer.models import Message, MessageStatus, SigningIdentity
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, letter, publish_for, send

TO = "bob@people.example.org"


def test_it_has_every_scheduled_task() -> None:
    current_app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(current_app.tasks)


@pytest.mark.parametrize("name", ["drain", "reconcile", "apply_changes", "expire"])
def test_it_may_run_twice(name: str, bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    send(bills, letter(TO), at=now)
    for _time in range(2):
        getattr(tasks, name)()
    tasks.drain()
    assert len(inbox_server.inbox.mails(TO)) == 1
    assert Message.objects.get().status == MessageStatus.HANDED


@pytest.mark.django_db(transaction=True)
def test_it_keeps_what_was_accepted_while_redis_is_away(
    bills: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(current_app, "send_task", fail)
    with caplog.at_level(logging.WARNING):
        accepted = send(bills, letter(TO), at=now)
    assert Message.objects.get().id == accepted.messages[0].id
    assert "could not be woken" in caplog.text
