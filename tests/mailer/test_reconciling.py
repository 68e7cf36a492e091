"""What nobody saw the end of: decided by the relay's records, never sent again blindly, an alarm where they are silent."""

import logging
import smtplib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from directory.x509.names import EmailAddress
from mailer import claiming, sending
from mailer.claiming import claim
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus, Notice, NoticeStatus, SendEvent, SigningIdentity
from mailer.notices import deliver_notices, send_notice, settle_notices
from mailer.reconciling import NotUnknownError, reconcile, settle
from mailer.relays import Folder, Mail, Outcome, Silent
from mailer.sending import drain
from mailer.smtp.lane import End, Ended
from mailer.smtp.replies import Reply
from mailer.smtp.wire import Mail as Offered
from portal.running.inbox import InboxServer
from tests.mailer.false_relays import END, FalseRelay, running, say
from tests.mailer.letters import Desk, history, letter, only_message, publish_for, send

TO = "bob@people.example.org"


class Told:
    """A relay that says this of every mail, and remembers what it was asked."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.asked: list[str] = []

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        ids = [mail.message_id for mail in mails]
        self.asked += ids
        return dict.fromkeys(ids, self.outcome)


@pytest.fixture
def in_doubt(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, settings: Settings, now: datetime) -> Message:
    """A message after which the relay hung up, when it had all of it."""
    publish_for(desk.authority.leaf(TO), TO, at=now)
    send(bills, letter(TO), at=now)
    with running(FalseRelay({END: say(None)})) as relay:
        settings.LETTERLOCK_SMTP_URL = relay.url
        drain(at=now)
    settings.LETTERLOCK_SMTP_URL = inbox_server.url
    Message.objects.update(lease_until=now - timedelta(minutes=1))
    return only_message()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.TAKEN, MessageStatus.HANDED), (Outcome.NOT_TAKEN, MessageStatus.SEALED), (Outcome.IN_DOUBT, MessageStatus.UNKNOWN)],
    ids=str,
)
def test_it_goes_by_the_relays_records(outcome: Outcome, status: MessageStatus, in_doubt: Message) -> None:
    relay = Told(outcome)
    assert reconcile(relay) == 1
    assert relay.asked == [in_doubt.message_id]
    in_doubt.refresh_from_db()
    assert in_doubt.status == status
    assert (in_doubt.sealed is None) is (status == MessageStatus.HANDED)


def test_it_asks_for_nothing_whose_lease_is_running(in_doubt: Message, now: datetime) -> None:
    Message.objects.update(lease_until=now + timedelta(minutes=1))
    relay = Told(Outcome.NOT_TAKEN)
    assert reconcile(relay) == 0
    assert relay.asked == []
    in_doubt.refresh_from_db()
    assert in_doubt.status == MessageStatus.HANDING


def test_it_sends_the_same_bytes_where_the_relay_has_nothing(in_doubt: Message, inbox_server: InboxServer, now: datetime) -> None:
    reconcile(Folder(inbox_server.inbox.folder))
    drain(at=now)
    (mail,) = inbox_server.inbox.mails(TO)
    assert in_doubt.sealed is not None
    assert mail.content == bytes(in_doubt.sealed)
    assert history(in_doubt)[-3:] == ["reconciled_not_taken", "handing", "handed"]


def test_it_does_not_send_again_what_the_relay_has(in_doubt: Message, inbox_server: InboxServer, now: datetime) -> None:
    """The worker died between the relay's 250 and its own commit."""
    with smtplib.SMTP("127.0.0.1", inbox_server.port, "worker.example.org") as session:
        session.sendmail("bills@bank.example.com", TO, bytes(in_doubt.sealed or b""))
    reconcile(Folder(inbox_server.inbox.folder))
    assert drain(at=now) == 0
    assert len(inbox_server.inbox.mails(TO)) == 1
    in_doubt.refresh_from_db()
    assert in_doubt.status == MessageStatus.HANDED


def test_it_raises_an_alarm_where_the_relay_is_silent(in_doubt: Message, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        reconcile(Silent())
    assert f"ALARM: whether the relay took message {in_doubt.id} is unknown" in caplog.text
    assert drain(at=now) == 0
    caplog.clear()
    assert reconcile(Silent()) == 0, "asked again after a while, not at once"
    Message.objects.update(lease_until=now - timedelta(minutes=1))
    assert reconcile(Told(Outcome.TAKEN)) == 1
    in_doubt.refresh_from_db()
    assert in_doubt.status == MessageStatus.HANDED
    assert not caplog.text


def test_it_is_in_doubt_while_the_records_cannot_be_read(in_doubt: Message, tmp_path: Path) -> None:
    reconcile(Folder(tmp_path / "missing"))
    in_doubt.refresh_from_db()
    assert in_doubt.status == MessageStatus.UNKNOWN


class LateWorker:
    """One that still holds what it claimed, and hears the relay's 250 only now."""

    def __init__(self, message: Message, *, at: datetime) -> None:
        self._book = sending._Book(claiming._load([message.id]), at=at)
        self._ended = Ended(Offered(message.id, "bills@bank.example.com", TO, b"", "people.example.org"), End.TAKEN, Reply(250, "kept"))

    def hear(self) -> None:
        self._book.write([self._ended], [])


def test_it_believes_a_late_worker_that_heard_250(in_doubt: Message, now: datetime) -> None:
    """The reconciler said unknown while the worker was still waiting for the answer."""
    late = LateWorker(in_doubt, at=now)
    reconcile(Silent())
    late.hear()
    in_doubt.refresh_from_db()
    assert in_doubt.status == MessageStatus.HANDED


def test_it_tells_of_a_late_worker_whose_mail_was_given_out_again(in_doubt: Message, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    late = LateWorker(in_doubt, at=now)
    reconcile(Told(Outcome.NOT_TAKEN))
    with caplog.at_level(logging.ERROR):
        late.hear()
    assert "after its lease was taken over" in caplog.text
    assert history(in_doubt)[-1] == "handed_late"


def test_it_takes_lapsed_sealing_again_and_alone(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime) -> None:
    """If one of them is what ended the worker, it takes no other along."""
    publish_for(desk.authority.leaf(TO), TO, at=now)
    send(bills, *[letter(TO) for _ in range(3)], at=now)
    assert len(claim().messages) == 3
    assert claim().messages == []
    Message.objects.update(lease_until=now - timedelta(minutes=1))
    assert len(claim().messages) == 1
    Message.objects.update(lease_until=now - timedelta(minutes=1))
    drain(at=now)
    assert len(inbox_server.inbox.mails(TO)) == 3


def test_it_gives_longer_leases_to_what_ends_workers(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    move([Step(only_message().id)], source=MessageStatus.QUEUED, target=MessageStatus.SEALING, actor="system:worker", take=timedelta(seconds=60))
    Message.objects.update(lease_until=now - timedelta(minutes=1), attempt=9)
    claim()
    lease = only_message().lease_until
    assert lease is not None
    assert timedelta(minutes=15) < lease - now < timedelta(minutes=17)


def test_it_does_not_send_a_notice_again_that_is_in_doubt(
    db: None, inbox_server: InboxServer, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    del db
    context = {"name": "Alice", "url": "https://portal.example.org/x"}
    send_notice(to=EmailAddress.parse(TO), kind="confirm_address", context=context, at=now)

    with running(FalseRelay({END: say(None)})) as relay:
        settings.LETTERLOCK_SMTP_URL = relay.url
        deliver_notices(at=now)
    settings.LETTERLOCK_SMTP_URL = inbox_server.url
    Notice.objects.update(lease_until=now - timedelta(minutes=1))
    with caplog.at_level(logging.ERROR):
        settle_notices(at=now)
    assert "is in doubt" in caplog.text
    deliver_notices(at=now + timedelta(hours=1))
    notice = Notice.objects.get()
    assert (notice.status, notice.content) == (NoticeStatus.UNKNOWN, None)
    assert not inbox_server.inbox.mails()


@pytest.mark.parametrize(("taken", "status"), [(True, MessageStatus.HANDED), (False, MessageStatus.SEALED)])
def test_it_lets_an_operator_settle_what_the_relay_cannot_tell(
    taken: bool,  # noqa: FBT001 - pytest's parameter
    status: MessageStatus,
    in_doubt: Message,
    now: datetime,
    inbox_server: InboxServer,
) -> None:
    with pytest.raises(NotUnknownError):
        settle(in_doubt, taken=taken, actor="user:operator", reason="too early")
    reconcile(Silent())
    settle(in_doubt, taken=taken, actor="user:operator", reason="asked the provider")
    in_doubt.refresh_from_db()
    assert in_doubt.status == status
    last = SendEvent.objects.latest("id")
    assert (last.actor, last.detail) == ("user:operator", "asked the provider")
    with pytest.raises(NotUnknownError):
        settle(in_doubt, taken=taken, actor="user:operator", reason="again")
    drain(at=now)
    assert len(inbox_server.inbox.mails(TO)) == (0 if taken else 1)
