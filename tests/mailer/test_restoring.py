"""A restored backup is behind the relay: what it took since is found out before anything is sent."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from directory.models import DirectoryEvent
from directory.x509.names import EmailAddress
from mailer import restoring
from mailer.message_states import AFTER_RESTORE, TRANSITIONS, Step, WrongTransitionError, move
from mailer.models import Message, MessageStatus, Notice, NoticeStatus, SigningIdentity
from mailer.notices import deliver_notices, send_notice
from mailer.pausing import active_pauses
from mailer.reconciling import reconcile
from mailer.relays import Folder, Mail, Outcome, Silent
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, history, letter, publish_for, send

TO = "bob@people.example.org"
LATER = "carol@people.example.org"
ACTOR = "user:operator"


def restore(backup: list[Message], at: datetime) -> None:
    """The rows as they were, their leases long over."""
    for message in backup:
        message.lease_until = message.lease_until and at - timedelta(minutes=5)
        message.save()


@pytest.fixture
def backup(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime, settings: Settings) -> list[Message]:
    """A message in each status, as the backup has them; all of them went out afterwards, except one that is queued."""
    settings.LETTERLOCK_RELAY_FOLDER = str(inbox_server.inbox.folder)
    send(bills, *[letter(TO) for _ in range(5)], at=now)
    send(bills, letter(LATER), at=now)
    publish_for(desk.authority.leaf(TO), TO, at=now)
    drain(at=now)
    inbox_server.inbox.clear()
    Notice.objects.all().delete()
    statuses = [MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.HELD]
    for message, status in zip(Message.objects.filter(recipient=TO).order_by("position"), statuses, strict=True):
        has_mail = status in {MessageStatus.SEALED, MessageStatus.HANDING}
        message.status, message.sealed, message.content = status, b"Message-ID: x\r\n\r\n" if has_mail else None, None if has_mail else b"x"
        message.lease_token, message.lease_until = 5, None if status in {MessageStatus.QUEUED, MessageStatus.HELD} else now
        message.save()
    for number, message in enumerate(Message.objects.filter(recipient=TO)):
        inbox_server.inbox.keep("bills@bank.example.com", [TO], f"Message-ID: {message.message_id}\r\n\r\n{number}".encode(), at=now)
    return list(Message.objects.all())


def test_it_writes_down_what_the_relay_took_and_sends_the_rest(backup: list[Message], desk: Desk, inbox_server: InboxServer, now: datetime) -> None:
    restore(backup, now)
    said = io.StringIO()
    call_command("hold_after_restore", actor=ACTOR, stdout=said)
    assert "The relay had taken 4 and not taken 1; of 0 it does not tell. 1 are left to the reconciler." in said.getvalue()
    assert not active_pauses().exists()
    reconcile(Folder(inbox_server.inbox.folder))
    publish_for(desk.authority.leaf(LATER), LATER, at=now)
    Message.objects.filter(status=MessageStatus.HELD).update(status=MessageStatus.QUEUED)
    drain(at=now)
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.HANDED}
    received = Counter(line for mail in inbox_server.inbox.mails() for line in mail.content.splitlines() if line.startswith(b"Message-ID"))
    assert set(received) == {f"Message-ID: {message.message_id}".encode() for message in backup}
    assert set(received.values()) == {1}
    restored = [message for message in Message.objects.all() if history(message)[-1] == "restored_handed"]
    assert len(restored) == 4
    assert all(message.content is None and message.sealed is None for message in restored)


def test_everything_stays_paused_while_the_relay_does_not_tell(
    backup: list[Message], inbox_server: InboxServer, now: datetime, settings: Settings
) -> None:
    restore(backup, now)
    settings.LETTERLOCK_RELAY_FOLDER = ""
    for _time in range(2):
        with pytest.raises(CommandError, match="Everything stays paused"):
            call_command("hold_after_restore", actor=ACTOR, stdout=io.StringIO())
    before = len(inbox_server.inbox.mails())
    assert drain(at=now) == 0
    assert len(inbox_server.inbox.mails()) == before
    (pause,) = active_pauses()
    assert pause.paused_by == ACTOR
    settings.LETTERLOCK_RELAY_FOLDER = str(inbox_server.inbox.folder)
    call_command("hold_after_restore", actor=ACTOR, stdout=io.StringIO())
    assert not active_pauses().exists()


def test_an_operator_may_say_that_they_were_not_sent(backup: list[Message], now: datetime, settings: Settings) -> None:
    restore(backup, now)
    settings.LETTERLOCK_RELAY_FOLDER = ""
    call_command("hold_after_restore", "--send-in-doubt", actor=ACTOR, stdout=io.StringIO())
    assert not active_pauses().exists()
    assert Message.objects.filter(status=MessageStatus.QUEUED).exists()


def test_it_asks_for_the_time_since_each_came_to_its_status(backup: list[Message], now: datetime) -> None:
    restore(backup, now)
    asked: list[Mail] = []

    class Asked(Silent):
        def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
            asked.extend(mails)
            return super().outcomes(mails)

    at = now + timedelta(hours=3)
    found = restoring.take_stock(Asked(), actor=ACTOR, at=at)
    assert len(found.in_doubt) == len(asked) == 5
    assert {mail.message_id: mail.since for mail in asked} == dict(
        Message.objects.exclude(status=MessageStatus.HANDING).values_list("message_id", "updated_at")
    )
    assert {mail.until for mail in asked} == {at}


def test_it_sends_no_notice_again(bills: SigningIdentity, inbox_server: InboxServer, now: datetime) -> None:
    del bills
    for name in ("bob", "carol"):
        context = {"name": name, "url": "https://portal.example.org/x"}
        send_notice(to=EmailAddress.parse(f"{name}@people.example.org"), kind="confirm_address", context=context, at=now)
    sent, unsent = Notice.objects.order_by("recipient")
    inbox_server.inbox.keep("", [TO], f"Message-ID: {sent.message_id}\r\n\r\n".encode(), at=now)
    assert len(restoring.take_stock(Silent(), actor=ACTOR, at=now).in_doubt) == 2
    found = restoring.take_stock(Folder(inbox_server.inbox.folder), actor=ACTOR, at=now)
    assert (found.taken, found.not_taken, found.in_doubt) == (1, 1, [])
    events = DirectoryEvent.objects.filter(subject=f"notice:{sent.pk}")
    assert [(event.verb, event.actor) for event in events] == [("notice.restored_handed", ACTOR)]
    deliver_notices(at=now)
    assert [mail.recipients for mail in inbox_server.inbox.mails()] == [(TO,), (unsent.recipient,)]
    assert set(Notice.objects.values_list("status", "content")) == {(NoticeStatus.HANDED, None)}


def test_it_sends_no_notice_before_the_relay_has_told(bills: SigningIdentity, inbox_server: InboxServer, now: datetime) -> None:
    del bills
    context = {"name": "bob", "url": "https://portal.example.org/x"}
    send_notice(to=EmailAddress.parse(TO), kind="confirm_address", context=context, at=now)
    restoring.hold(actor=ACTOR, at=now)
    assert deliver_notices(at=now) == 0
    assert Notice.objects.get().attempt == 0
    assert not inbox_server.inbox.mails()
    restoring.go_on(actor=ACTOR, at=now)
    assert deliver_notices(at=now) == 1
    assert len(inbox_server.inbox.mails(TO)) == 1


@pytest.mark.parametrize("target", [status for status in MessageStatus if status != MessageStatus.HANDED])
def test_a_restore_allows_nothing_else(target: MessageStatus) -> None:
    for source in MessageStatus:
        with pytest.raises(WrongTransitionError):
            move([], source=source, target=target, actor=ACTOR, restored=True)


def test_none_of_it_is_allowed_without_a_restore(backup: list[Message]) -> None:
    for source, targets in AFTER_RESTORE.items():
        assert not targets & TRANSITIONS[source]
        with pytest.raises(WrongTransitionError):
            move([Step(message.id) for message in backup], source=source, target=MessageStatus.HANDED, actor=ACTOR)
