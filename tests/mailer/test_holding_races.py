"""Publishing, cancelling and expiring while workers seal: whoever is first, each message ends once, and none is forgotten."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from django.db import connection

from mailer.changes import apply_changes
from mailer.holding import expire_held
from mailer.message_states import TRANSITIONS
from mailer.models import FINAL, Message, MessageStatus, SigningIdentity
from mailer.sending import drain
from mailer.sendlog import NotCancellableError, cancel
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, history, letter, publish_for, send
from tests.pki import Holder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("many-connections")]
ROUNDS = 8
# Each event's status, where its name says something else.
STATUS = {"accepted": "queued", "released": "queued"}


def at_once(*acts: Callable[[], object]) -> None:
    """Each in a thread with a connection of its own, all begun at one moment; an error is this test's."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        start.wait()
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(run, act) for act in acts]:
            done.result(60)


def publish(holder: Holder, to: str, at: datetime) -> None:
    publish_for(holder, to, at=at)
    apply_changes(at=at)


def take_back(message: Message) -> None:
    with suppress(NotCancellableError):
        cancel(message, actor="user:alice")


def check(message: Message, inbox: InboxServer) -> None:
    """Its history is a way through the table, its content is gone once it has ended, and a mail is there if it was handed over."""
    way = [MessageStatus(STATUS.get(event, event)) for event in history(message) if event != "invited"]
    assert all(after in TRANSITIONS[before] for before, after in pairwise(way)), way
    assert way[-1] == message.status
    if message.status in FINAL:
        assert message.content is None
        assert message.sealed is None
    mails = [mail for mail in inbox.inbox.mails(message.recipient) if message.message_id.encode() in mail.content]
    assert len(mails) == way.count(MessageStatus.HANDED)


def test_a_certificate_published_while_workers_seal_is_never_missed(
    bills: SigningIdentity, inbox_server: InboxServer, desk: Desk, now: datetime
) -> None:
    for number in range(ROUNDS):
        to = f"person{number}@people.example.net"
        holder = desk.authority.leaf(to, "p256")
        send(bills, *[letter(to)] * 5, at=now)
        at_once(lambda: drain(at=now), lambda: drain(at=now), partial(publish, holder, to, now))
        # No sweep: the change alone has to do it.
        while drain(at=now):
            pass
        for message in Message.objects.filter(match=to):
            assert message.status == MessageStatus.HANDED, history(message)
            check(message, inbox_server)


def test_publishing_cancelling_and_expiring_at_once_end_each_message_once(
    bills: SigningIdentity, inbox_server: InboxServer, desk: Desk, now: datetime
) -> None:
    """Charlie publishes the certificate the moment Alice takes the letters back and their time is over."""
    for number in range(ROUNDS):
        to = f"person{number}@people.example.net"
        holder = desk.authority.leaf(to, "p256")
        send(bills, *[letter(to)] * 6, at=now)
        if number % 2:
            drain(at=now)
        messages = list(Message.objects.filter(match=to).order_by("position"))

        def take_back_some(some: Sequence[Message] = tuple(messages[:4])) -> None:
            for message in some:
                take_back(message)

        at_once(
            lambda: drain(at=now),
            partial(publish, holder, to, now),
            take_back_some,
            lambda: expire_held(at=now + timedelta(days=15), actor="system:worker"),
        )
        while drain(at=now):
            pass
        for message in Message.objects.filter(match=to):
            assert message.status in {MessageStatus.HANDED, MessageStatus.CANCELLED, MessageStatus.EXPIRED}, history(message)
            check(message, inbox_server)


def test_cancelling_is_heard_while_a_message_goes_back_and_forth(bills: SigningIdentity, now: datetime) -> None:
    """Held and released again while the cancellation looks for it: it still is to be had, so it is had."""
    send(bills, letter("dora@people.example.net"), at=now)
    message = Message.objects.get()
    for _ in range(20):
        Message.objects.update(status=MessageStatus.QUEUED, content=b"x")
        stop = threading.Event()

        def swing(stop: threading.Event = stop) -> None:
            while not stop.is_set():
                for one, other in ((MessageStatus.QUEUED, MessageStatus.HELD), (MessageStatus.HELD, MessageStatus.QUEUED)):
                    Message.objects.filter(status=one).update(status=other)

        def take(stop: threading.Event = stop) -> None:
            try:
                cancel(message, actor="user:alice")
            finally:
                stop.set()

        at_once(swing, take)
        message.refresh_from_db()
        assert message.status == MessageStatus.CANCELLED
