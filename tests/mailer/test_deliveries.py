"""`delivered`, `bounced` and `delayed` come out of the relay's log, each once, however it is cut, rotated or forged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from directory.x509.names import EmailAddress
from mailer.deliveries import COMPLETING, read_on
from mailer.erasing import erase_recipient
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus, RelayedMail, SendEvent, SigningIdentity
from mailer.relays.postfix_log import Clock, parse
from mailer.relays.postfix_tales import tales
from tests.mailer.letters import ALICE, history, letter, send

TO = "bob@people.example.org"
A, B = "4jZ4cG2sgbzLGHb", "4jZ4cG2wlKzLGHj"
SENT = "to=<bob@people.example.org>, relay=mx.example.org[192.0.2.7]:25, delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 ok)"
DEFERRED = (
    "to=<bob@people.example.org>, relay=mx.example.org[192.0.2.7]:25, delay=9, delays=9/0/0/0, dsn=4.2.2, "
    "status=deferred (host mx.example.org[192.0.2.7] said: 452 4.2.2 <bob@people.example.org> mailbox full)"
)
BOUNCED = (
    "to=<bob@people.example.org>, relay=mx.example.org[192.0.2.7]:25, conn_use=2, delay=0.4, delays=0.1/0/0.2/0.1, dsn=5.1.1, "
    "status=bounced (host mx.example.org[192.0.2.7] said: 550 5.1.1 <bob@people.example.org> no such user)"
)


class Log:
    """A log that grows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *texts: str, end: str = "\n") -> None:
        with self.path.open("a") as file:
            file.write("\n".join(f"Nov 25 12:00:00 relay postfix/{text}" for text in texts) + end)

    def take(self, queue: str, message: Message) -> None:
        self.add(
            f"cleanup[2]: {queue}: message-id={message.message_id}",
            f"qmgr[1]: {queue}: from=<bills@bank.example.com>, size=4096, nrcpt=1 (queue active)",
        )

    def tell(self, queue: str, *texts: str) -> None:
        self.add(*(f"smtp[3]: {queue}: {text}" for text in texts))

    def remove(self, queue: str) -> None:
        self.add(f"qmgr[1]: {queue}: removed")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "mail.log")


@pytest.fixture
def handed(bills: SigningIdentity, now: datetime) -> Message:
    """A message that the relay has taken."""
    send(bills, letter(TO), at=now)
    Message.objects.update(content=None, status=MessageStatus.HANDED)
    return Message.objects.get()


def now() -> datetime:
    return datetime.now(UTC)


def status(message: Message) -> str:
    message.refresh_from_db()
    return message.status


def test_it_is_delivered_when_it_has_left_the_queue(handed: Message, log: Log) -> None:
    log.take(A, handed)
    assert read_on(log.path, at=now()) == 0
    assert status(handed) == MessageStatus.HANDED
    log.tell(A, SENT)
    assert read_on(log.path, at=now()) == 0
    log.remove(A)
    assert read_on(log.path, at=now()) == 1
    assert read_on(log.path, at=now()) == 0
    assert status(handed) == MessageStatus.DELIVERED
    event = SendEvent.objects.get(event="delivered")
    assert (event.detail, event.actor) == ("2.0.0 250 2.0.0 ok", "system:relay-log")
    assert not RelayedMail.objects.exists()


def test_a_bounce_says_why_without_the_address(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.tell(A, BOUNCED)
    log.remove(A)
    assert read_on(log.path, at=now()) == 1
    assert status(handed) == MessageStatus.BOUNCED
    event = SendEvent.objects.get(event="bounced")
    assert event.detail == "5.1.1 host mx.example.org[192.0.2.7] said: 550 5.1.1 <***> no such user"
    assert "no such user" in handed.relay_reply


def test_what_is_said_after_an_erasure_is_kept_nowhere(handed: Message, log: Log) -> None:
    """The relay may name the person without an address, and nobody knows any more which name that would be."""
    erase_recipient(EmailAddress.parse(TO), actor=ALICE, at=now())
    log.take(A, handed)
    log.tell(A, BOUNCED.replace("no such user", "no mailbox for bob here"))
    read_on(log.path, at=now())
    assert RelayedMail.objects.get().words == ""
    log.remove(A)
    read_on(log.path, at=now())
    assert status(handed) == MessageStatus.BOUNCED
    assert not SendEvent.objects.filter(detail__contains="bob").exists()


def test_a_delay_is_told_once(handed: Message, log: Log) -> None:
    log.take(A, handed)
    for _time in range(3):
        log.tell(A, DEFERRED)
        read_on(log.path, at=now())
    assert history(handed)[-2:] == ["accepted", "delayed"]
    assert "bob" not in SendEvent.objects.get(event="delayed").detail
    log.add(f"qmgr[1]: {A}: from=<bills@bank.example.com>, status=expired, returned to sender")
    log.remove(A)
    read_on(log.path, at=now())
    assert status(handed) == MessageStatus.BOUNCED
    assert SendEvent.objects.get(event="bounced").detail.startswith("expired; 4.2.2 ")


def test_it_reads_whole_lines_alone(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.add(f"smtp[3]: {A}: {SENT[:60]}", end="")
    read_on(log.path, at=now())
    with log.path.open("a") as file:
        file.write(f"{SENT[60:]}\n")
    log.remove(A)
    assert read_on(log.path, at=now()) == 1


def test_it_follows_a_log_that_is_rotated(handed: Message, log: Log) -> None:
    log.take(A, handed)
    read_on(log.path, at=now())
    old = log.path.rename(log.path.with_name("mail.log.1"))
    Log(old).tell(A, SENT)  # Postfix still writes there
    assert read_on(log.path, at=now()) == 0
    log.path.touch()
    assert read_on(log.path, at=now()) == 0
    Log(old).add("master[1]: reload -- version 3.7.11")
    log.remove(A)
    assert read_on(log.path, at=now()) == 1
    assert status(handed) == MessageStatus.DELIVERED


def test_it_begins_anew_where_a_log_was_cut_short(handed: Message, log: Log) -> None:
    log.add(*["master[1]: some line that is long enough"] * 50)
    read_on(log.path, at=now())
    log.path.write_text("")
    log.take(A, handed)
    log.tell(A, SENT)
    log.remove(A)
    assert read_on(log.path, at=now()) == 1


def test_it_raises_an_alarm_for_a_log_that_is_out_of_reach(handed: Message, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.take(A, handed)
    read_on(log.path, at=now())
    log.path.rename(log.path.with_name("mail.log.1.gz"))
    log.add("master[1]: reload -- version 3.7.11")
    read_on(log.path, at=now())
    assert "ALARM: " in caplog.text
    assert read_on(log.path.with_name("missing"), at=now()) == 0


def test_a_filter_that_hands_it_back_has_not_delivered_it(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.take(B, handed)
    log.tell(A, SENT.replace("mx.example.org[192.0.2.7]:25", "127.0.0.1[127.0.0.1]:10024"))
    log.remove(A)
    assert read_on(log.path, at=now()) == 0
    log.tell(B, BOUNCED)
    log.remove(B)
    assert read_on(log.path, at=now()) == 1
    assert status(handed) == MessageStatus.BOUNCED


def test_a_try_that_the_relay_refused_at_its_end_is_forgotten(handed: Message, log: Log) -> None:
    """Its queue file has a Message-ID, but was never completed."""
    log.add(f"cleanup[2]: {B}: message-id={handed.message_id}")
    log.take(A, handed)
    log.tell(A, SENT)
    log.remove(A)
    assert read_on(log.path, at=now()) == 0, "it may still be one that a filter handed back"
    assert read_on(log.path, at=now() + COMPLETING + timedelta(seconds=1)) == 1


def test_it_waits_for_the_reconciler(handed: Message, log: Log) -> None:
    """The worker died after the relay's 250, and the relay was quicker with the rest."""
    Message.objects.update(status=MessageStatus.HANDING, sealed=b"x", lease_token=7)
    log.take(A, handed)
    log.tell(A, SENT)
    log.remove(A)
    assert read_on(log.path, at=now()) == 0
    move([Step(handed.id)], source=MessageStatus.HANDING, target=MessageStatus.HANDED, actor="system:reconciler")
    assert read_on(log.path, at=now()) == 1
    assert status(handed) == MessageStatus.DELIVERED


def test_what_an_operator_deletes_from_the_queue_is_not_delivered(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.add(f"postsuper[9]: {A}: removed")
    assert read_on(log.path, at=now()) == 0
    assert status(handed) == MessageStatus.HANDED
    assert history(handed)[-1] == "removed_by_relay"


@pytest.mark.parametrize(
    "forged",
    [
        f"discard[3]: {A}: {SENT}",
        f"smtp[3]: {A}: {SENT.replace('bob@', 'charlie@')}",
        f"smtpd[3]: {A}: {SENT}",
        f"smtp[3]: {A}: x {SENT}",
        f"smtp[3]: {B}: {SENT}",
        f"cleanup[2]: {A}: warning: header Subject: {SENT}",
        f"smtp[3]: {A}: {DEFERRED[:-1]}, status=sent (250 ok)",
    ],
)
def test_nothing_else_counts_as_delivered(forged: str, handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.add(forged)
    log.remove(A)
    read_on(log.path, at=now())
    assert status(handed) == MessageStatus.HANDED


def test_charlies_mail_with_the_same_message_id_says_nothing_of_ours(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.take(B, handed)
    log.tell(B, BOUNCED.replace("bob@people.example.org", "nobody@shop.example.net"))
    log.remove(B)
    log.tell(A, SENT)
    log.remove(A)
    assert read_on(log.path, at=now()) == 1
    assert status(handed) == MessageStatus.DELIVERED


def test_an_alias_is_known_by_what_it_was(handed: Message, log: Log) -> None:
    log.take(A, handed)
    log.tell(A, SENT.replace("to=<bob@people.example.org>", "to=<robert@inside.example.org>, orig_to=<Bob@People.example.org>"))
    log.remove(A)
    assert read_on(log.path, at=now()) == 1


def test_a_short_name_that_comes_again_is_another_mail(handed: Message, log: Log, now: datetime, bills: SigningIdentity) -> None:
    send(bills, letter("carol@people.example.org"), at=now)
    other = Message.objects.exclude(pk=handed.pk).get()
    Message.objects.update(content=None, status=MessageStatus.HANDED)
    log.take("ABCDEF01234", handed)
    log.tell("ABCDEF01234", SENT)
    log.remove("ABCDEF01234")
    log.take("ABCDEF01234", other)
    log.tell("ABCDEF01234", BOUNCED.replace("bob@", "carol@"))
    log.remove("ABCDEF01234")
    assert read_on(log.path, at=now) == 2
    assert (status(handed), status(other)) == (MessageStatus.DELIVERED, MessageStatus.BOUNCED)


def test_strangers_mail_is_not_kept(handed: Message, log: Log) -> None:
    log.add(f"cleanup[2]: {B}: message-id=<stranger@example.net>", f"qmgr[1]: {B}: from=<a@example.net>, size=1, nrcpt=1 (queue active)")
    log.take(A, handed)
    read_on(log.path, at=now())
    assert [row.queue for row in RelayedMail.objects.all()] == [f"postfix/{A}"]


def test_words_are_cut_and_printable() -> None:
    text = f"Nov 25 12:00:00 relay postfix/smtp[3]: {A}: {SENT[:-14]}(250 \x1b[31m{'x' * 4000})\n"
    line = parse(text.encode(), Clock(now()))
    assert line is not None
    (tale,) = tales([line])
    assert tale.words.startswith("2.0.0 250  [31mxxx")
    assert len(tale.words) == 500
