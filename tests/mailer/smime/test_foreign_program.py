"""What is sealed here opens and verifies in OpenSSL, for every kind of key on either side."""

import subprocess
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import product

import pytest

from mailer.smime.entity import Attachment, Content
from mailer.smime.message import seal
from mailer.smime.recipients import Recipient
from tests.mailer.smime.conftest import ALICE, BANK, BOB, CHARLIE, RECIPIENT_KINDS, SIGNER_KINDS, OpenSsl, Sealer, signer_of
from tests.pki import Authority, Usage

PLAIN = Content("Your statement", "Dear Alice,\r\nthe balance is 12.50 EUR.\r\n")
FULL = Content(
    "Kontoauszug für März: 12,50 €",
    "Liebe Alice,\nim Anhang der Auszug. Grüße",
    "<html><body><p>Liebe Alice, im <b>Anhang</b> der Auszug. Grüße</p></body></html>",
    [Attachment("Auszug März.pdf", "application/pdf", bytes(range(256)) * 40)],
)


def read(entity: bytes) -> EmailMessage:
    message = message_from_bytes(entity, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("content", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("kinds", list(product(SIGNER_KINDS, RECIPIENT_KINDS)), ids="-".join)
def test_it_opens_and_verifies(authority: Authority, seal_for: Sealer, openssl: OpenSsl, kinds: tuple[str, str], content: Content) -> None:
    signer_kind, recipient_kind = kinds
    alice = authority.leaf(ALICE, recipient_kind, Usage.ENCRYPT)
    message = seal_for(content, alice, signer=signer_of(authority, signer_kind))
    opened = read(openssl.verify(openssl.decrypt(message, alice), authority.roots_pem))
    body = opened.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == content.text.splitlines()
    assert opened["Subject"] == content.subject
    assert [part.get_content() for part in opened.iter_attachments()] == [attachment.content for attachment in content.attachments]


@pytest.mark.parametrize("kinds", [("rsa2048", "rsa3072"), ("p256", "p384")])
def test_it_opens_for_each_of_several_recipients(authority: Authority, seal_for: Sealer, openssl: OpenSsl, kinds: tuple[str, str]) -> None:
    holders = [authority.leaf(email, kind, Usage.ENCRYPT) for email, kind in zip((ALICE, BOB), kinds, strict=True)]
    message = seal_for(PLAIN, *holders)
    for holder in holders:
        assert b"12.50 EUR" in openssl.verify(openssl.decrypt(message, holder), authority.roots_pem)


@pytest.mark.parametrize("kind", RECIPIENT_KINDS)
def test_it_stays_closed_to_charlie(authority: Authority, seal_for: Sealer, openssl: OpenSsl, kind: str) -> None:
    message = seal_for(PLAIN, authority.leaf(ALICE, kind, Usage.ENCRYPT))
    with pytest.raises(subprocess.CalledProcessError):
        openssl.decrypt(message, authority.leaf(CHARLIE, kind, Usage.ENCRYPT))


def test_it_is_not_trusted_under_another_root(authority: Authority, other_authority: Authority, seal_for: Sealer, openssl: OpenSsl) -> None:
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    entity = openssl.decrypt(seal_for(PLAIN, alice), alice)
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero"):
        openssl.verify(entity, other_authority.roots_pem)


def test_it_is_refused_once_changed(authority: Authority, seal_for: Sealer, openssl: OpenSsl) -> None:
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    entity = openssl.decrypt(seal_for(PLAIN, alice), alice)
    assert entity.count(b"12.50") == 1
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero"):
        openssl.verify(entity.replace(b"12.50", b"99.50"), authority.roots_pem)


def test_it_says_outside_only_what_it_must(authority: Authority, seal_for: Sealer) -> None:
    message = seal_for(FULL, authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT), neutral_subject="A sealed message of Example Bank")
    head = read(message)
    assert set(head.keys()) == {
        "From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding", "Content-Disposition",
    }  # fmt: skip
    assert head["Subject"] == "A sealed message of Example Bank"
    assert head["From"].addresses[0].addr_spec == BANK
    assert head["From"].addresses[0].display_name == "Example Bank, Berlin"
    assert head["To"] == ALICE
    assert head.get_content_type() == "application/pkcs7-mime"
    assert head.get_param("smime-type") == "enveloped-data"
    assert b"Auszug" not in message


def test_it_shows_the_subject_inside_when_it_is_neutral_outside(authority: Authority, seal_for: Sealer, openssl: OpenSsl) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    message = seal_for(FULL, alice, neutral_subject="A sealed message of Example Bank")
    opened = read(openssl.verify(openssl.decrypt(message, alice), authority.roots_pem))
    assert opened["Subject"] == FULL.subject
    assert opened.get_param("hp") == "cipher"
    assert "Subject: A sealed message of Example Bank" in opened.get_all("HP-Outer", [])
    for subtype in ("plain", "html"):
        body = opened.get_body((subtype,))
        assert body is not None
        assert body.get_param("hp-legacy-display") == "1"
        assert f"Subject: {FULL.subject}" in body.get_content()


def test_it_keeps_every_line_short_and_plain(authority: Authority, seal_for: Sealer) -> None:
    message = seal_for(FULL, authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT))
    assert message.isascii()
    assert max(map(len, message.split(b"\r\n"))) <= 76
    assert message.count(b"\r") == message.count(b"\n") == message.count(b"\r\n")


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [(BANK, "jürgen@example.net"), ("rechnung-für-sie@bank.example.com", ALICE), ("账单@bank.example.com", "用户@example.org")],
)
def test_it_goes_between_international_addresses(authority: Authority, openssl: OpenSsl, at: datetime, sender: str, recipient: str) -> None:
    """The local part stands in the header in UTF-8, which SMTPUTF8 carries (RFC 6532)."""
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    message = seal(
        PLAIN,
        sender=sender,
        sender_name="Bücher & Söhne",
        recipient=recipient,
        signer=signer_of(authority),
        recipients=[Recipient.from_certificate(alice.der)],
        message_id="<statement-8@bank.example.com>",
        at=at,
    )
    opened = openssl.verify(openssl.decrypt(message, alice), authority.roots_pem)
    for head in (message, opened):
        assert f"To: {recipient}\r\n".encode() in head
        assert f" <{sender}>\r\n".encode() in head
    assert f"HP-Outer: To: {recipient}\r\n".encode() in opened
