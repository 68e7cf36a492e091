"""The two e-mail back ends in a Django project: what `send_mail` and its kin make, opened by `openssl`, and never anything in clear."""

import smtplib
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.mime.image import MIMEImage
from email.policy import SMTP
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail, send_mass_mail
from letterlock import BadAddressError, ContentRefusedError, KeyFileError, LetterlockError, NoCertificateError, TransportError
from letterlock.django import ApiEmailBackend, SealingEmailBackend, UnsupportedMailError
from letterlock.django.configuration import close_clients
from letterlock.errors import InvalidRequestError, NotAllowedError
from pytest_django import Settings

from directory.models import Organization
from directory.tokens import make_token
from mailer import sending
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.outbox import depth
from mailer.resting import RestingDomains
from mailer.sending import drain
from mailer.signing_keys import forget_signers
from portal.running.inbox import InboxServer
from tests.clients.conftest import BOB, CAROL, SENDER, Publish
from tests.clients.false_directory import FalseDirectory, Reply
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk, make_identity
from tests.pki import Authority

CHARLIE = "charlie@shop.example.net"
PNG = bytes.fromhex("89504e470d0a1a0a") + bytes(100)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_clients()


@pytest.fixture
def sealing(portal: str, token: str, key_files: dict[str, str], inbox_server: InboxServer, settings: Settings) -> InboxServer:
    """A project that seals by itself; gives the SMTP server that it hands over to."""
    settings.EMAIL_BACKEND = "letterlock.django.SealingEmailBackend"
    names = {"KEY": key_files["key"], "CERTIFICATE": key_files["certificate"], "CHAIN": key_files["chain"]}
    settings.LETTERLOCK = {"URL": portal, "TOKEN": token, **names}
    return inbox_server


@pytest.fixture
def bills(bank: Organization, authority: Authority, now: datetime) -> Iterator[SigningIdentity]:
    forget_signers()
    depth.forget()
    sending.resting = RestingDomains()
    yield make_identity(bank, SENDER, authority, at=now)
    forget_signers()


@pytest.fixture
def posting(portal: str, token: str, bills: SigningIdentity, inbox_server: InboxServer, settings: Settings) -> InboxServer:  # noqa: ARG001
    """A project that posts to the portal, which signs for it; gives the SMTP server that the portal hands over to."""
    settings.EMAIL_BACKEND = "letterlock.django.ApiEmailBackend"
    settings.LETTERLOCK = {"URL": portal, "TOKEN": token}
    return inbox_server


def test_send_mail_seals(sealing: InboxServer, publish: Publish, desk: Desk) -> None:
    bob = publish(BOB)
    assert send_mail(SUBJECT, SECRET_WORDS, f"Muster Bank <{SENDER}>", [f"Bob <{BOB}>"], html_message=f"<p>{SECRET_WORDS}</p>") == 1
    [mail] = sealing.inbox.mails()
    assert (mail.sender, mail.recipients) == (SENDER, (BOB,))
    assert SECRET_WORDS.encode() not in mail.content
    opened = desk.open(mail.content, bob)
    assert opened.words.strip() == SECRET_WORDS
    assert opened.mail["From"] == f"Muster Bank <{SENDER}>"
    assert "text/html" in {part.get_content_type() for part in opened.mail.walk()}


def test_it_seals_files_and_images(sealing: InboxServer, publish: Publish, desk: Desk) -> None:
    bob = publish(BOB)
    message = EmailMultiAlternatives(SUBJECT, SECRET_WORDS, SENDER, [BOB])
    message.attach_alternative('<img src="cid:logo@bank.example.com">', "text/html")
    image = MIMEImage(PNG, "png")
    image.add_header("Content-ID", "<logo@bank.example.com>")
    message.attach(image)
    message.attach("Kontoauszug März.pdf", bytes(range(256)), "application/pdf")
    message.attach("notes.txt", "Grüße")
    assert message.send() == 1
    opened = desk.open(sealing.inbox.mails()[0].content, bob)
    parts = {part.get_content_type(): part for part in opened.mail.walk() if part.get_content_disposition()}
    assert parts["application/pdf"].get_filename() == "Kontoauszug März.pdf"
    assert parts["application/pdf"].get_payload(decode=True) == bytes(range(256))
    assert parts["image/png"]["Content-ID"] == "<logo@bank.example.com>"
    assert parts["text/plain"].get_payload(decode=True) == "Grüße".encode()


def test_nobody_sees_another_recipient(sealing: InboxServer, publish: Publish, desk: Desk) -> None:
    holders = {address: publish(address) for address in (BOB, CAROL, "dave@people.example.org")}
    sent = EmailMessage(SUBJECT, SECRET_WORDS, SENDER, [BOB], cc=[CAROL], bcc=["dave@people.example.org", BOB.upper()]).send()
    assert sent == 1
    mails = sealing.inbox.mails()
    assert sorted(mail.recipients for mail in mails) == sorted((address,) for address in holders)
    for mail in mails:
        others = set(holders) - set(mail.recipients)
        inside = desk.decrypt(mail.content, holders[mail.recipients[0]])
        assert not [other for other in others if other.encode() in mail.content + inside]


@pytest.mark.parametrize("missing", ["to", "bcc"])
def test_it_sends_nothing_when_one_has_no_certificate(missing: str, sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    to, bcc = ([BOB], [CAROL]) if missing == "bcc" else ([CAROL, BOB], [])
    with pytest.raises(NoCertificateError) as refused:
        EmailMessage(SUBJECT, SECRET_WORDS, SENDER, to, bcc=bcc).send()
    assert refused.value.addresses == (CAROL,)
    assert EmailMessage(SUBJECT, SECRET_WORDS, SENDER, to, bcc=bcc).send(fail_silently=True) == 0
    assert sealing.inbox.mails() == []


def test_a_silent_failure_of_one_lets_the_others_go(sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    letters = [(SUBJECT, SECRET_WORDS, SENDER, [to]) for to in (CAROL, BOB, "bob", BOB)]
    assert send_mass_mail(letters, fail_silently=True) == 2
    assert [mail.recipients for mail in sealing.inbox.mails()] == [(BOB,), (BOB,)]
    sealing.inbox.clear()
    with pytest.raises(LetterlockError):
        send_mass_mail(letters)
    assert sealing.inbox.mails() == [], "all are sealed before the first is sent"


def test_a_portal_that_is_down_sends_nothing(sealing: InboxServer, settings: Settings) -> None:
    with FalseDirectory() as gone:
        settings.LETTERLOCK = {**settings.LETTERLOCK, "URL": gone.url, "TIMEOUT": 1.0}
    with pytest.raises(TransportError):
        send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB])
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB], fail_silently=True) == 0
    assert sealing.inbox.mails() == []


def test_it_reports_what_the_smtp_server_refuses(sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    sealing.room.refusals[BOB] = "550 no such user"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB])
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB], fail_silently=True) == 0
    sealing.room.refusals.clear()
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB]) == 1


def test_it_keeps_one_connection_open_for_who_opened_it(sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    with get_connection() as connection:
        for _ in range(2):
            assert EmailMessage(SUBJECT, SECRET_WORDS, SENDER, [BOB], connection=connection).send() == 1
        assert connection.connection is not None  # type: ignore[attr-defined]
    assert len(sealing.inbox.mails()) == 2


@pytest.mark.parametrize("backend", [SealingEmailBackend, ApiEmailBackend])
@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"X-Priority": "1"}},
        {"reply_to": [CHARLIE]},
        {"attachments": [("a.eml", EmailMessage("a", "b").message(), "message/rfc822")]},
        {"from_email": f"{SENDER}\r\nBcc: {CHARLIE}"},
        {"to": [f"{BOB}\r\nBcc: {CHARLIE}"]},
        {"to": [f"{BOB}, {CHARLIE}"]},
        {"bcc": ["not an address"]},
    ],
    ids=["header", "reply-to", "message inside", "line in From", "line in To", "two in To", "Bcc"],
)
def test_what_would_be_lost_or_slipped_in_is_refused(
    backend: type[Any],
    change: dict[str, Any],
    sealing: InboxServer,
    bills: SigningIdentity,  # noqa: ARG001 - so that the portal could send it
    publish: Publish,
) -> None:
    publish(BOB)
    message = EmailMessage(**{"subject": SUBJECT, "body": SECRET_WORDS, "from_email": SENDER, "to": [BOB], **change})
    with pytest.raises((UnsupportedMailError, BadAddressError)):
        backend().send_messages([message])
    assert backend(fail_silently=True).send_messages([message]) == 0
    assert sealing.inbox.mails() == []
    assert not Message.objects.exists()


@pytest.mark.parametrize("subject", ["a\r\nBcc: charlie@shop.example.net", "a\nb"])
def test_a_subject_stays_a_subject(subject: str, sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    with pytest.raises(ContentRefusedError):
        send_mail(subject, SECRET_WORDS, SENDER, [BOB])
    assert sealing.inbox.mails() == []


def test_another_sender_than_the_certificates_is_refused(sealing: InboxServer, publish: Publish) -> None:
    publish(BOB)
    with pytest.raises(KeyFileError):
        send_mail(SUBJECT, SECRET_WORDS, CHARLIE, [BOB])
    assert sealing.inbox.mails() == []


def test_an_html_body_has_its_text_beside_it(sealing: InboxServer, publish: Publish, desk: Desk, settings: Settings) -> None:
    settings.LETTERLOCK = {**settings.LETTERLOCK, "NEUTRAL_SUBJECT": "Sealed"}
    bob = publish(BOB)
    message = EmailMessage(SUBJECT, f"<b>{SECRET_WORDS}</b>", SENDER, [BOB], headers={"Message-ID": "<a.7@bank.example.com>"})
    message.content_subtype = "html"
    assert message.send() == 1
    [mail] = sealing.inbox.mails()
    outer = message_from_bytes(mail.content, policy=SMTP)
    assert (outer["Subject"], outer["Message-ID"]) == ("Sealed", "<a.7@bank.example.com>")
    assert desk.open(mail.content, bob).words.strip().endswith(SECRET_WORDS)


def test_recipients_may_have_to_lead_to_a_root(sealing: InboxServer, publish: Publish, key_files: dict[str, str], settings: Settings) -> None:
    publish(BOB)
    settings.LETTERLOCK = {**settings.LETTERLOCK, "RECIPIENT_ROOTS": key_files["root"]}
    # The chain's middle is not among the roots, and nothing is fetched.
    with pytest.raises(LetterlockError, match="trusted root"):
        send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB])
    assert sealing.inbox.mails() == []


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"TOKEN": "x"},
        {"URL": "http://letterlock.example.com"},
        {"URL": "https://x.example.com", "TOKN": "x"},
        {"URL": "https://x.example.com"},
    ],
    ids=str,
)
def test_a_wrong_setting_is_told_at_once(given: dict[str, str] | None, settings: Settings) -> None:
    settings.LETTERLOCK = given
    with pytest.raises(ImproperlyConfigured):
        SealingEmailBackend().send_messages([EmailMessage(SUBJECT, SECRET_WORDS, SENDER, [BOB])])


def test_the_api_back_end_has_the_portal_seal(posting: InboxServer, publish: Publish, desk: Desk, now: datetime) -> None:
    holders = {BOB: publish(BOB), CAROL: publish(CAROL, "rsa2048")}
    message = EmailMultiAlternatives(SUBJECT, SECRET_WORDS, f"Muster Bank <{SENDER}>", [BOB], bcc=[CAROL])
    message.attach_alternative(f"<p>{SECRET_WORDS}</p>", "text/html")
    message.attach("a.pdf", b"%PDF", "application/pdf")
    assert message.send() == 1
    assert posting.inbox.mails() == []
    drain(at=now)
    mails = posting.inbox.mails()
    assert sorted(mail.recipients for mail in mails) == [(BOB,), (CAROL,)]
    for mail in mails:
        opened = desk.open(mail.content, holders[mail.recipients[0]])
        assert opened.words.strip().endswith(SECRET_WORDS)
        assert {"text/html", "application/pdf"} <= {part.get_content_type() for part in opened.mail.walk()}


def test_the_api_back_end_sends_once_for_a_key(posting: InboxServer) -> None:  # noqa: ARG001
    letter = EmailMessage(SUBJECT, SECRET_WORDS, SENDER, [BOB], headers={"Idempotency-Key": "invoice-7"})
    assert letter.send() == letter.send() == 1
    assert Message.objects.count() == 1
    letter.body = "Another"
    with pytest.raises(InvalidRequestError) as refused:
        letter.send()
    assert refused.value.kind == "idempotency-key-reused"
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB]) == send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB]) == 1
    assert Message.objects.count() == 3


def test_the_api_back_end_tries_again_with_the_same_key(charlie: FalseDirectory, settings: Settings) -> None:
    taken = b'{"batch": "b", "messages": [{"id": "i", "to": "bob@people.example.org", "message_id": "<a@b.c>", "status": "queued"}]}'
    charlie.says(Reply(503, {}, b""), Reply(202, body=taken))
    settings.EMAIL_BACKEND, settings.LETTERLOCK = "letterlock.django.ApiEmailBackend", {"URL": charlie.url}
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB]) == 1
    first, second = charlie.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_the_api_back_end_holds_what_has_no_certificate(posting: InboxServer, now: datetime, settings: Settings) -> None:
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB]) == 1
    settings.LETTERLOCK = {**settings.LETTERLOCK, "ON_MISSING": "fail"}
    assert send_mail(SUBJECT, SECRET_WORDS, SENDER, [CAROL]) == 1
    drain(at=now)
    assert dict(Message.objects.values_list("recipient", "status")) == {BOB: MessageStatus.HELD, CAROL: MessageStatus.FAILED}
    assert not [mail for mail in posting.inbox.mails() if SECRET_WORDS.encode() in mail.content]


def test_the_api_back_end_needs_the_scope_and_its_own_address(posting: InboxServer, bank: Organization, now: datetime, settings: Settings) -> None:  # noqa: ARG001
    with pytest.raises(InvalidRequestError):
        send_mail(SUBJECT, SECRET_WORDS, CHARLIE, [BOB])
    assert send_mail(SUBJECT, SECRET_WORDS, CHARLIE, [BOB], fail_silently=True) == 0
    reading = make_token(organization=bank, name="Reading", scopes=["lookup"], actor="user:alice", at=now)[1]
    settings.LETTERLOCK = {**settings.LETTERLOCK, "TOKEN": reading}
    with pytest.raises(NotAllowedError):
        send_mail(SUBJECT, SECRET_WORDS, SENDER, [BOB])
    assert not Message.objects.exists()
