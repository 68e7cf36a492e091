"""Whom an envelope is for: all usable RSA certificates, or else the EC ones, by algorithms that all of them open."""

from datetime import datetime

import pytest

from directory.lookup import encryption_certificates
from directory.models import Level
from mailer.models import Message, MessageStatus, SendEvent, SendingPolicy, SigningIdentity, SubjectPolicy
from mailer.recipients import RSA_FIRST, Envelope, envelope_for
from mailer.sending import drain
from mailer.smime import oids
from mailer.smime.choice import ContentCipher, KeyManagement
from mailer.smime.der import sequence
from portal.running.inbox import InboxServer
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk, letter, publish_for, send

pytestmark = pytest.mark.django_db
TO = "bob@people.example.org"
MODERN = sequence(sequence(oids.RSAES_OAEP_NAME), sequence(oids.AES_256_GCM))


def envelope(now: datetime) -> Envelope:
    return envelope_for(encryption_certificates([TO], at=now)[TO])


def test_it_takes_the_safe_algorithms_where_nothing_is_known(desk: Desk, now: datetime) -> None:
    certificate = publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    found = envelope(now)
    choice = found.recipients[0].choice
    assert (choice.key_management, choice.content) == (KeyManagement.RSA_PKCS1, ContentCipher.AES_256_CBC)
    assert found.fingerprints == (certificate.fingerprint,)
    assert "nothing is known of the recipient's program" in found.receipt
    assert certificate.fingerprint not in found.receipt, "it goes into the log, which is not erased"


def test_it_takes_newer_ones_where_every_certificate_names_them(desk: Desk, now: datetime) -> None:
    at_work, on_phone = (publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now) for _ in range(2))
    for certificate in (at_work, on_phone):
        certificate.smime_capabilities = MODERN
        certificate.save()
    found = envelope(now)
    assert {(one.choice.key_management, one.choice.content) for one in found.recipients} == {(KeyManagement.RSA_OAEP, ContentCipher.AES_256_GCM)}
    assert len(found.recipients) == 2
    assert "by the recipient's own capabilities" in found.receipt
    on_phone.smime_capabilities = None
    on_phone.save()
    found = envelope(now)
    assert {(one.choice.key_management, one.choice.content) for one in found.recipients} == {(KeyManagement.RSA_PKCS1, ContentCipher.AES_256_CBC)}
    assert len(found.recipients) == 2, "the old program's certificate is not left out"


def test_it_prefers_an_rsa_key_whatever_the_rank_of_the_ec_ones(desk: Desk, now: datetime) -> None:
    rsa = publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    for kind in ("p256", "p384"):
        ec = publish_for(desk.authority.leaf(TO, kind), TO, at=now)
        ec.level = Level.V4
        ec.save()
    assert encryption_certificates([TO], at=now)[TO][-1].fingerprint == rsa.fingerprint
    found = envelope(now)
    assert found.fingerprints == (rsa.fingerprint,)
    assert found.receipt.endswith(RSA_FIRST)
    rsa.delete()
    found = envelope(now)
    assert len(found.recipients) == 2
    assert RSA_FIRST not in found.receipt


@pytest.mark.parametrize("capabilities", [b"", b"\x30\x80", b"\xff" * 5000, b"\x30\x03\x02\x01\x01"])
def test_charlies_capabilities_break_nothing(capabilities: bytes, desk: Desk, now: datetime) -> None:
    certificate = publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    certificate.smime_capabilities = capabilities
    certificate.save()
    choice = envelope(now).recipients[0].choice
    assert (choice.key_management, choice.content) == (KeyManagement.RSA_PKCS1, ContentCipher.AES_256_CBC)


def test_the_log_tells_how_a_message_was_sealed(bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime) -> None:
    del inbox_server
    certificates = [publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now) for _ in range(2)]
    send(bills, letter(TO), at=now)
    drain(at=now)
    detail = SendEvent.objects.get(event="sealed").detail
    for words in ("rsa-pkcs1-v1.5", "aes-256-cbc", "nothing is known", "sha256 "):
        assert words in detail
    assert "@" not in detail
    message, fingerprints = Message.objects.get(), {certificate.fingerprint for certificate in certificates}
    assert set(message.certificates) == fingerprints
    assert message.certificates == [message.certificate, message.further_certificates]
    assert not any(fingerprint in detail for fingerprint in fingerprints)


@pytest.fixture
def cast(bills: SigningIdentity, offers: SigningIdentity) -> tuple[SigningIdentity, SigningIdentity]:
    return bills, offers


OUTSIDE = {
    "ours": (SubjectPolicy.NEUTRAL, "", "Sealed message"),
    "own wording": (SubjectPolicy.NEUTRAL, "Eine Nachricht für Sie", "=?utf-8?B?RWluZSBOYWNocmljaHQgZsO8ciBTaWU=?="),
    "kept": (SubjectPolicy.KEEP, "unused", SUBJECT),
}


@pytest.mark.parametrize("choice", OUTSIDE)
def test_what_stands_outside_is_the_organisations_choice(
    choice: str, cast: tuple[SigningIdentity, SigningIdentity], desk: Desk, inbox_server: InboxServer, now: datetime
) -> None:
    """Charlie's shop has made none."""
    bills, offers = cast
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    subject, wording, outside = OUTSIDE[choice]
    SendingPolicy.objects.create(organization=bills.organization, subject=subject, neutral_subject=wording, changed_at=now)
    for identity in (bills, offers):
        send(identity, letter(TO), at=now)
    drain(at=now)
    mails = {mail.sender: mail.content for mail in inbox_server.inbox.mails(TO)}
    assert f"\r\nSubject: {outside}\r\n".encode() in mails[bills.address]
    assert b"\r\nSubject: Sealed message\r\n" in mails[offers.address]
    opened = desk.open(mails[bills.address], holder)
    assert opened.mail["Subject"] == SUBJECT
    assert SECRET_WORDS in opened.words
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.HANDED}
