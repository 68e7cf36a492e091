"""Forgetting a recipient: nothing in outbox or log names the person afterwards, and what was done stays countable."""

from collections.abc import Iterable
from datetime import datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from directory.models import Change, ChangeKind, DirectoryEvent
from directory.x509.names import EmailAddress
from mailer.changes import apply_changes
from mailer.erasing import Erasure, erase_recipient
from mailer.message_states import Step, move, note
from mailer.models import Message, MessageStatus, Notice, NoticeStatus, RelayedMail, SendEvent, SigningIdentity
from mailer.notices import store_notice
from mailer.sending import drain
from mailer.sendlog import messages_of
from portal.running.inbox import InboxServer
from tests.mailer.letters import ALICE, Desk, history, letter, publish_for, send

TO = "Dora.Frost@people.example.net"
DORA = EmailAddress.parse(TO)
OTHER = "bob@people.example.org"


OUTBOX = ("mailer_message", "mailer_batch", "mailer_relayedmail", "mailer_sendevent", "mailer_notice")
DIRECTORY = ("directory_directoryevent", "directory_change")


def everything(tables: Iterable[str] = OUTBOX + DIRECTORY) -> str:
    """All that the outbox, the log and the directory's events and changes hold, as text."""
    with connection.cursor() as cursor:
        texts = []
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608 - a name from above
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts).lower()


def test_it_leaves_nothing_that_names_the_recipient(
    bills: SigningIdentity, offers: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk
) -> None:
    """In all organisations, whatever became of the message; and the relay's reply named the recipient twice.

    Nor does a fingerprint, by which anybody could ask the directory whom a message was for.
    """
    fingerprints = [publish_for(desk.authority.leaf(TO, kind), TO, at=now).fingerprint for kind in ("rsa2048", "rsa2048")]
    inbox_server.room.refusals[TO] = f"550 5.1.1 <{TO}>: Dora.Frost is unknown here"
    for identity in (bills, offers):
        send(identity, letter(TO), letter(OTHER), at=now)
    drain(at=now)
    assert Message.objects.filter(match=DORA.match, relay_reply__contains=TO).count() == 2
    apply_changes(at=now)
    RelayedMail.objects.create(queue="4F2A1", message=Message.objects.filter(match=DORA.match)[0], words=f"550 <{TO}>", seen_at=now)
    logged = SendEvent.objects.count()
    assert "dora" in everything()
    assert all(fingerprint in everything(OUTBOX) for fingerprint in fingerprints)
    assert erase_recipient(DORA, actor=ALICE, at=now) == Erasure(erased=2, cancelled=0, in_flight=0)
    assert "dora" not in everything()
    assert not any(fingerprint in everything(OUTBOX) for fingerprint in fingerprints)
    assert not messages_of(bills.organization, to=DORA.match).exists()
    assert SendEvent.objects.count() == logged + 2
    assert Message.objects.count() == 4
    assert Message.objects.filter(match=OTHER).count() == 2, "Bob's are as they were"
    event = DirectoryEvent.objects.get(verb="recipient.erased")
    assert (event.actor, event.detail) == (ALICE, {"erased": 2, "cancelled": 0, "in_flight": 0, "notices": 0})


def test_it_cancels_what_waits(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), letter("dora.frost@PEOPLE.example.net"), at=now)
    move([Step(Message.objects.order_by("position")[0].id)], source=MessageStatus.QUEUED, target=MessageStatus.SEALING, actor="w")
    move([Step(Message.objects.order_by("position")[0].id)], source=MessageStatus.SEALING, target=MessageStatus.HELD, actor="w")
    assert erase_recipient(DORA, actor=ALICE, at=now) == Erasure(erased=2, cancelled=2, in_flight=0)
    for message in Message.objects.all():
        assert (message.status, message.content, message.recipient, message.reference) == (MessageStatus.CANCELLED, None, "", "")
        assert message.erased_at == now
        assert history(message)[-2:] == ["cancelled", "recipient_erased"]


@pytest.mark.parametrize("status", [MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.UNKNOWN], ids=str)
def test_it_leaves_and_counts_what_is_in_hands(status: MessageStatus, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    bytes_of = {} if status == MessageStatus.SEALING else {"sealed": b"x", "content": None}
    Message.objects.update(status=status, **bytes_of)
    assert erase_recipient(DORA, actor=ALICE, at=now) == Erasure(erased=0, cancelled=0, in_flight=1)
    assert Message.objects.get().recipient == TO
    with pytest.raises(CommandError, match="1 messages are on their way"):
        call_command("erase_recipient", TO, "--actor", ALICE)
    Message.objects.update(status=MessageStatus.HANDED, sealed=None, content=None)
    call_command("erase_recipient", TO, "--actor", ALICE)
    assert Message.objects.get().recipient == ""


def test_it_deletes_the_portals_own_mails_to_the_address(bills: SigningIdentity, now: datetime) -> None:
    """Also one that a worker is about to hand over; one in DATA stays and is counted. Bob's stay."""
    del bills
    for number, status in enumerate([*NoticeStatus, NoticeStatus.HANDED]):
        to = EmailAddress.parse(OTHER) if number == len(NoticeStatus) else DORA
        notice = store_notice(b"Hello", to=to, kind="invitation", message_id=f"<{number}@portal.example>", actor=ALICE, at=now)
        Notice.objects.filter(pk=notice.pk).update(status=status, relay_reply=f"250 {to.address}")
    assert erase_recipient(DORA, actor=ALICE, at=now) == Erasure(erased=0, cancelled=0, in_flight=1, notices=4)
    assert set(Notice.objects.values_list("match", "status")) == {(DORA.match, NoticeStatus.HANDING), (OTHER, NoticeStatus.HANDED)}


def test_it_is_told_by_a_digest_that_nobody_can_guess_at(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    for address in (DORA, DORA, EmailAddress.parse(OTHER)):
        erase_recipient(address, actor=ALICE, at=now)
    first, again, bobs = DirectoryEvent.objects.filter(verb="recipient.erased").order_by("id").values_list("subject", flat=True)
    assert first == again != bobs
    assert len(first) == len("recipient:") + 64


def test_it_takes_the_relays_late_words_without_keeping_them(bills: SigningIdentity, now: datetime) -> None:
    """A bounce that comes after the erasure changes the status and brings nothing back, nor does a name that is no address."""
    send(bills, letter(TO), at=now)
    Message.objects.update(status=MessageStatus.HANDED, content=None)
    erase_recipient(DORA, actor=ALICE, at=now)
    message = Message.objects.get()
    words = f"550 {TO}: Dora.Frost is unknown here"
    note([message.id], event="delayed", detail=words, actor="system:relay-log")
    assert move([Step(message.id, detail=words, reply=words)], source=MessageStatus.HANDED, target=MessageStatus.BOUNCED, actor="system:reconciler")
    assert Message.objects.get().relay_reply == ""
    assert list(SendEvent.objects.filter(event__in=["delayed", "bounced"]).values_list("detail", flat=True)) == ["***", "***"]
    assert "dora" not in everything()


def test_it_is_held_by_the_database(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    with pytest.raises(DatabaseError, match="recipient_until_the_end"), transaction.atomic():
        Message.objects.update(erased_at=now)
    Message.objects.update(status=MessageStatus.FAILED, content=None)
    with pytest.raises(DatabaseError, match="recipient_until_the_end"), transaction.atomic():
        Message.objects.update(erased_at=now)


def test_it_forgets_what_others_asked_about_the_recipient(bills: SigningIdentity, now: datetime) -> None:
    """What is not worked off yet still is; once it is, it names nobody."""
    change = Change.objects.create(kind=ChangeKind.INVITE, match=DORA.match, address=TO, organization=bills.organization, actor="x", at=now)
    erase_recipient(DORA, actor=ALICE, at=now)
    change.refresh_from_db()
    assert change.match == DORA.match
    apply_changes(at=now)
    change.refresh_from_db()
    assert (change.done_at, change.address, change.match) == (now, "", "")


@pytest.mark.django_db
def test_it_refuses_what_is_no_address() -> None:
    with pytest.raises(CommandError):
        call_command("erase_recipient", "dora", "--actor", ALICE)
