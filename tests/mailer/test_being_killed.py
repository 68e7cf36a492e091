"""Workers are killed between any two steps, for real: nothing is lost, nothing comes twice, nothing is unlogged."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.db import connection
from pytest_django import Settings

from mailer import claiming
from mailer.models import Message, MessageStatus, SendEvent, SigningIdentity
from mailer.reconciling import reconcile
from mailer.relays import Folder
from mailer.sending import drain
from mailer.transport import data_seconds
from portal.running.inbox import IDLE_SECONDS, InboxServer
from tests.mailer.letters import SECRET_WORDS, Desk, history, letter, publish_for, send

ROOT = Path(__file__).resolve().parents[2]
TO = "bob@people.example.org"
pytestmark = pytest.mark.django_db(transaction=True)
# What the log says of a message whose worker died there, once another worker has brought it to its end.
TALES = {
    "claimed": ["accepted", "sealing", "sealed", "handing", "handed"],
    "sealed": ["accepted", "sealing", "sealed", "handing", "handed"],
    "before_data": ["accepted", "sealing", "sealed", "handing", "reconciled_not_taken", "handing", "handed"],
    "after_250": ["accepted", "sealing", "sealed", "handing", "reconciled_handed"],
}


def worker(step: str, settings: Settings) -> "subprocess.Popen[bytes]":
    name = connection.settings_dict["NAME"]
    environment = {**os.environ, "LETTERLOCK_SMTP_URL": settings.LETTERLOCK_SMTP_URL}
    return subprocess.Popen([sys.executable, "-m", "tests.mailer.sendings", step, name], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


def let_leases_lapse() -> None:
    Message.objects.filter(lease_until__isnull=False).update(lease_until=datetime.now(UTC) - timedelta(minutes=5))


@pytest.mark.parametrize("step", TALES)
def test_it_survives_a_kill_at_each_step(step: str, bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, settings: Settings) -> None:
    now = datetime.now(UTC)
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    send(bills, letter(TO), at=now)
    assert worker(step, settings).wait(60) == -signal.SIGKILL
    let_leases_lapse()
    reconcile(Folder(inbox_server.inbox.folder))
    drain(at=datetime.now(UTC))
    message, (mail,) = Message.objects.get(), inbox_server.inbox.mails(TO)
    assert message.status == MessageStatus.HANDED
    assert history(message) == TALES[step]
    assert SECRET_WORDS in desk.open(mail.content, holder).words


def test_it_loses_and_doubles_nothing_under_random_kills(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, settings: Settings) -> None:
    """100 messages and 4 kills at random moments; the sink counts Message-IDs itself."""
    now, chance = datetime.now(UTC), random.Random(20261125)
    publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    for _batch in range(2):
        send(bills, *[letter(TO) for _ in range(50)], at=now)
    hit: Counter[str] = Counter()
    for _kill in range(4):
        logged = SendEvent.objects.count()
        victims = [worker("none", settings) for _ in range(2)]
        while SendEvent.objects.count() == logged and victims[0].poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.2))
        for victim in victims:
            victim.kill()
            victim.wait()
        hit.update(Message.objects.exclude(lease_until=None).values_list("status", flat=True))
        let_leases_lapse()
        reconcile(Folder(inbox_server.inbox.folder))
    deadline = time.monotonic() + 60
    while Message.objects.exclude(status=MessageStatus.HANDED).exists() and time.monotonic() < deadline:
        drain(at=datetime.now(UTC))
        let_leases_lapse()
        reconcile(Folder(inbox_server.inbox.folder))
    assert hit, "some kill came in the middle of the work"
    received = Counter(
        line for mail in inbox_server.inbox.mails(TO) for line in mail.content.split(b"\r\n") if line.lower().startswith(b"message-id:")
    )
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.HANDED}
    assert len(received) == 100, "nothing is lost"
    assert set(received.values()) == {1}, "nothing comes twice"
    ends = SendEvent.objects.filter(event__in=["handed", "reconciled_handed"])
    assert ends.count() == ends.values("message").distinct().count() == 100, "each end is logged once"


def test_a_real_worker_is_woken_by_accepting(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, settings: Settings) -> None:
    """`celery worker` in a process of its own; no beat: the wake-up of the commit is what brings it here."""
    now = datetime.now(UTC)
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    environment = {**os.environ, "LETTERLOCK_SMTP_URL": settings.LETTERLOCK_SMTP_URL}
    environment["DATABASE_URL"] = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    command = [sys.executable, "-m", "celery", "-A", "portal", "worker", "-l", "WARNING", "-c", "1", "--without-gossip", "--without-mingle"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not current_app.control.ping(timeout=0.5) and time.monotonic() < deadline:
            pass
        send(bills, letter(TO), at=now)
        while not inbox_server.inbox.mails(TO) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(30)
    (mail,) = inbox_server.inbox.mails(TO)
    assert SECRET_WORDS in desk.open(mail.content, holder).words
    assert Message.objects.get().status == MessageStatus.HANDED


def test_the_relay_ends_a_silent_session_before_the_lease_ends() -> None:
    """Else a worker that sleeps through its lease could still end its DATA after another has sent the mail: it begins no DATA later."""
    assert IDLE_SECONDS <= data_seconds() < claiming.lease().total_seconds()
