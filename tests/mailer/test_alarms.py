"""Whatever ends a worker after it said `handing`: within two minutes it is settled, or an alarm that stays until somebody settles it."""

import io
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from django.conf import settings as live
from django.core.management import call_command
from pytest_django import Settings

from directory.organizations import suspend
from mailer.alarms import standing_alarms
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.pausing import pause
from mailer.reconciling import GRACE, reconcile, settle
from mailer.relays import Mail, Outcome, Silent
from tests.mailer.letters import history, letter, send

TO = "bob@people.example.org"
LEASE = timedelta(seconds=60)


class Open:
    """A relay whose session does not end."""

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        return {mail.message_id: Outcome.NOT_YET for mail in mails}


@pytest.fixture
def handing(bills: SigningIdentity, now: datetime, settings: Settings) -> Message:
    """A message whose worker said `handing` just now and was not heard of again. Its lease is as long as many attempts make it."""
    settings.LETTERLOCK_LEASE_SECONDS = 60
    send(bills, letter(TO), at=now)
    Message.objects.update(status=MessageStatus.HANDING, content=None, sealed=b"x", lease_token=3, lease_until=now + timedelta(hours=1), attempt=11)
    return Message.objects.get()


def let_pass(time: timedelta) -> None:
    """As if the worker had died so much earlier."""
    for message in Message.objects.all():
        Message.objects.filter(pk=message.pk).update(
            updated_at=message.updated_at - time, lease_until=message.lease_until and message.lease_until - time
        )


def test_a_long_lease_does_not_delay_the_alarm(handing: Message, caplog: pytest.LogCaptureFixture) -> None:
    let_pass(LEASE)
    assert reconcile(Silent()) == 0, "its worker may still be at it"
    let_pass(GRACE)
    with caplog.at_level(logging.ERROR):
        assert reconcile(Silent()) == 1
    assert f"ALARM: whether the relay took message {handing.id} is unknown" in caplog.text
    assert history(handing)[-1] == "unknown"


@pytest.mark.usefixtures("handing")
def test_an_open_session_is_waited_for_but_not_for_long(caplog: pytest.LogCaptureFixture) -> None:
    let_pass(LEASE + GRACE)
    assert reconcile(Open()) == 1
    assert Message.objects.get().status == MessageStatus.HANDING
    assert reconcile(Open()) == 0, "asked again after a while, not at once"
    spent = LEASE + GRACE
    while Message.objects.get().status == MessageStatus.HANDING:
        let_pass(timedelta(seconds=1))
        spent += timedelta(seconds=1)
        with caplog.at_level(logging.ERROR):
            reconcile(Open())
    beat = float(str(live.CELERY_BEAT_SCHEDULE["reconcile"]["schedule"]))
    assert spent + timedelta(seconds=beat) < timedelta(minutes=2)
    assert "ALARM: " in caplog.text


def test_the_alarm_stands_until_somebody_settles_it(handing: Message, now: datetime) -> None:
    let_pass(LEASE + GRACE)
    reconcile(Silent())
    said = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("alarms", stdout=said)
    assert ended.value.code == 1
    assert json.loads(said.getvalue()) == {"unknown": 1, "overdue": 0, "retried": 0, "strays": 0, "waiting": None}
    settle(handing, taken=True, actor="user:operator", reason="asked the provider")
    call_command("alarms", stdout=(said := io.StringIO()))
    assert not standing_alarms(at=now).are_raised(at=now)


@pytest.mark.usefixtures("handing")
def test_a_reconciler_that_stands_still_is_seen(now: datetime) -> None:
    assert standing_alarms(at=now).overdue == 0
    let_pass(2 * LEASE + GRACE)
    alarms = standing_alarms(at=now)
    assert (alarms.overdue, alarms.retried) == (1, 1)
    assert alarms.are_raised(at=now)


def test_a_queue_that_nobody_works_on_is_seen(bills: SigningIdentity, now: datetime, settings: Settings) -> None:
    send(bills, letter(TO), at=now)
    assert not standing_alarms(at=now).are_raised(at=now)
    later = now + timedelta(seconds=settings.LETTERLOCK_OUTBOX_SECONDS + 1)
    assert standing_alarms(at=later).waiting == Message.objects.get().not_before
    assert standing_alarms(at=later).are_raised(at=later)


@pytest.mark.parametrize("why", ["suspended", "organisation", "domain", "everything"])
def test_a_queue_that_must_wait_is_no_alarm(why: str, bills: SigningIdentity, offers: SigningIdentity, now: datetime, settings: Settings) -> None:
    """Charlie's pause, or his suspension, calls nobody; the bank's own message behind it still does."""
    send(offers, letter(TO), at=now)
    if why == "suspended":
        suspend(organization=offers.organization, actor="user:operator", reason="unpaid", at=now)
    else:
        organization = offers.organization if why == "organisation" else None
        pause(organization=organization, domain="people.example.org" if why == "domain" else "", reason="x", actor="user:charlie", at=now)
    later = now + timedelta(seconds=settings.LETTERLOCK_OUTBOX_SECONDS + 1)
    assert standing_alarms(at=later).waiting is None
    assert not standing_alarms(at=later).are_raised(at=later)
    send(bills, letter("bob@other.example.org"), at=now)
    assert (standing_alarms(at=later).waiting is None) is (why == "everything")
