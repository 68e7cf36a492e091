"""What a real Postfix writes and returns: delivered, bounced and delayed out of its log, and its bounces read as they come."""

import smtplib
from datetime import UTC, datetime

import pytest

from mailer.deliveries import read_on
from mailer.dsn import Action, parse_dsn
from mailer.models import Message, MessageStatus, SendEvent, SigningIdentity
from mailer.returned import mark
from tests.mailer.conftest import make_organization
from tests.mailer.letters import history, letter, make_identity, send
from tests.pki import Authority
from tests.reliability.postfix import PostfixServer
from tests.reliability.test_postfix_answers import until

GOOD, GONE, FULL = "alice@people.example.org", "no-such-user@people.example.org", "over-quota@people.example.org"


@pytest.fixture
def bills(db: None) -> SigningIdentity:
    del db
    now = datetime.now(UTC)
    return make_identity(make_organization("Muster Bank AG", "bank.example.com", 12345, now), "bills@bank.example.com", Authority(), at=now)


def hand_over(server: PostfixServer, message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(content=None, status=MessageStatus.HANDED)
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as smtp:
        smtp.sendmail("bills@bank.example.com", [message.recipient], f"Message-ID: {message.message_id}\r\nSubject: Sealed\r\n\r\nx\r\n".encode())


def statuses() -> dict[str, str]:
    return dict(Message.objects.values_list("recipient", "status"))


@pytest.mark.parametrize("long", [True, False], ids=["long names", "short names"])
def test_it_tells_what_became_of_each(long: bool, postfix: PostfixServer, bills: SigningIdentity) -> None:  # noqa: FBT001 - pytest's parameter
    postfix.rename(long=long)
    send(bills, letter(GOOD), letter(GONE), letter(FULL), at=datetime.now(UTC))
    messages = {message.recipient: message for message in Message.objects.all()}
    for message in messages.values():
        hand_over(postfix, message)

    def all_told() -> bool:
        read_on(postfix.log, at=datetime.now(UTC))
        return statuses() == {GOOD: "delivered", GONE: "bounced", FULL: "handed"} and "delayed" in history(messages[FULL])

    until(all_told, "a delivery, a bounce and a delay", seconds=30)
    assert "no such user" in SendEvent.objects.get(event="bounced").detail
    assert "mailbox full" in SendEvent.objects.get(event="delayed").detail
    assert history(messages[FULL]).count("delayed") == 1
    assert not SendEvent.objects.filter(detail__contains="user@").exists()

    returned = postfix.folder / "relay"
    until(lambda: any(returned.glob("returned-*.eml")), "the bounce")
    (path,) = returned.glob("returned-*.eml")
    status = parse_dsn(path.read_bytes())
    assert status.message_id == messages[GONE].message_id
    assert [(verdict.action, verdict.addresses) for verdict in status.verdicts] == [(Action.FAILED, frozenset({GONE}))]
    marked = mark(status)
    assert marked is not None
    assert (marked.message, marked.event) == (messages[GONE], "dsn_failed"), "the log was quicker"
