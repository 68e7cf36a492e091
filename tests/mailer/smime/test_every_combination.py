"""Every way of signing, with every way of sealing, opens and verifies in OpenSSL, which is told nothing but the keys."""

import subprocess
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.smime.capabilities import OURS, named
from mailer.smime.choice import TABLE, Choice, ContentCipher, KeyManagement
from mailer.smime.encoding import base64_lines
from mailer.smime.encrypt import encrypt
from mailer.smime.message import seal
from mailer.smime.open import Opener, open_envelope
from mailer.smime.recipients import Recipient, apart
from mailer.smime.sign import SignatureForm, SignaturePadding, Signer
from mailer.smime.verify import verify
from tests.mailer.smime.conftest import ALICE, BANK, BOB, CHARLIE, OpenSsl
from tests.mailer.smime.test_foreign_program import FULL, read
from tests.pki import Authority, Usage

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
Signing = tuple[str, SignaturePadding]
Opening = tuple[str, KeyManagement]
# The least of a message that OpenSSL reads an envelope from.
HEAD = b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
SIGNERS = [("rsa2048", SignaturePadding.PKCS1), ("rsa3072", SignaturePadding.PSS), ("p256", SignaturePadding.PKCS1), ("p384", SignaturePadding.PKCS1)]
RECIPIENTS = [
    ("rsa2048", KeyManagement.RSA_PKCS1),
    ("rsa3072", KeyManagement.RSA_OAEP),
    ("p256", KeyManagement.ECDH),
    ("p384", KeyManagement.ECDH),
]


def signer(authority: Authority, kind: str, padding: SignaturePadding) -> Signer:
    holder = authority.leaf(BANK, kind, Usage.SIGN, organization="Example Bank")
    return Signer(holder.key, holder.der, authority.chain, padding=padding)


@pytest.mark.parametrize("form", SignatureForm)
@pytest.mark.parametrize("signs", SIGNERS)
def test_every_signature_verifies(authority: Authority, openssl: OpenSsl, at: datetime, signs: Signing, form: SignatureForm) -> None:
    signed = signer(authority, *signs).sign(ENTITY, at=at, form=form)
    assert openssl.verify(signed, authority.roots_pem) == ENTITY


def envelope(entity: bytes, recipients: list[Recipient]) -> bytes:
    return HEAD + base64_lines(encrypt(entity, recipients))


@pytest.mark.parametrize("content", ContentCipher)
@pytest.mark.parametrize(("kind", "key_management"), RECIPIENTS)
def test_every_envelope_opens(authority: Authority, openssl: OpenSsl, kind: str, key_management: KeyManagement, content: ContentCipher) -> None:
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    recipient = Recipient.from_certificate(alice.der, choice=Choice(key_management, content))
    for size in (0, 15, 16, 100_000):
        assert openssl.decrypt(envelope(b"x" * size, [recipient]), alice) == b"x" * size


@pytest.mark.parametrize("content", ContentCipher)
@pytest.mark.parametrize("form", SignatureForm)
@pytest.mark.parametrize("ways", [*zip(SIGNERS, RECIPIENTS, strict=True), *zip(SIGNERS, reversed(RECIPIENTS), strict=True)])
def test_whole_messages_open_and_verify(
    authority: Authority, openssl: OpenSsl, ways: tuple[Signing, Opening], form: SignatureForm, content: ContentCipher
) -> None:
    signs, opens = ways
    alice = authority.leaf(ALICE, opens[0], Usage.ENCRYPT)
    message = seal(
        FULL,
        sender=BANK,
        recipient=ALICE,
        signer=signer(authority, *signs),
        recipients=[Recipient.from_certificate(alice.der, choice=Choice(opens[1], content))],
        message_id="<statement-9@bank.example.com>",
        at=authority.at,
        form=form,
    )
    assert read(message).get_param("smime-type") == ("authEnveloped-data" if content.authenticates else "enveloped-data")
    opened = read(openssl.verify(openssl.decrypt(message, alice), authority.roots_pem))
    assert opened["Subject"] == FULL.subject
    assert [part.get_content() for part in opened.iter_attachments()] == [FULL.attachments[0].content]


@pytest.mark.parametrize("content", ContentCipher)
@pytest.mark.parametrize(("kind", "key_management"), RECIPIENTS)
def test_the_capabilities_that_it_names_are_its_own(authority: Authority, kind: str, key_management: KeyManagement, content: ContentCipher) -> None:
    """Whoever follows them writes what `open` of this package reads."""
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    sealed = encrypt(ENTITY, [Recipient.from_certificate(alice.der, choice=Choice(key_management, content))])
    assert open_envelope(sealed, [Opener(alice.key, alice.der)]) == ENTITY
    wanted = {line.capability for line in TABLE if line.algorithm in {key_management, content} and line.capability}
    assert wanted <= named(OURS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=200) | st.integers(0, 70_000).map(bytes), content=st.sampled_from(ContentCipher), way=st.sampled_from(RECIPIENTS))
def test_any_octets_come_back(authority: Authority, octets: bytes, content: ContentCipher, way: Opening) -> None:
    alice = authority.leaf(ALICE, way[0], Usage.ENCRYPT)
    sealed = encrypt(octets, [Recipient.from_certificate(alice.der, choice=Choice(way[1], content))])
    assert open_envelope(sealed, [Opener(alice.key, alice.der)]) == octets


@pytest.mark.parametrize("form", SignatureForm)
@pytest.mark.parametrize("signs", SIGNERS)
def test_its_own_verify_agrees(authority: Authority, signs: Signing, form: SignatureForm) -> None:
    signed = signer(authority, *signs).sign(ENTITY, at=authority.at, form=form)
    assert verify(signed, roots=[authority.root.der], at=authority.at, sender=BANK).verified
    assert not verify(signed, roots=[authority.root.der], at=authority.at, sender=CHARLIE).verified


@pytest.mark.parametrize("content", ContentCipher)
def test_each_of_several_certificates_and_recipients_opens_its_envelope(authority: Authority, openssl: OpenSsl, content: ContentCipher) -> None:
    """Alice has two RSA certificates and an EC one, Bob an EC one: two envelopes, or three where OAEP is known of one of hers."""
    kinds = [(ALICE, "rsa2048"), (ALICE, "rsa3072"), (ALICE, "p256"), (BOB, "p384")]
    holders = [authority.leaf(email, kind, Usage.ENCRYPT) for email, kind in kinds]
    for second, count in ((KeyManagement.RSA_PKCS1, 2), (KeyManagement.RSA_OAEP, 3)):
        wishes = [KeyManagement.RSA_PKCS1, second, KeyManagement.ECDH, KeyManagement.ECDH]
        recipients = [Recipient.from_certificate(holder.der, choice=Choice(wish, content)) for holder, wish in zip(holders, wishes, strict=True)]
        groups = apart(recipients)
        assert len(groups) == count
        for group in groups:
            mail = envelope(ENTITY, group)
            for holder in (holder for holder, recipient in zip(holders, recipients, strict=True) if recipient in group):
                assert openssl.decrypt(mail, holder) == ENTITY


@pytest.mark.parametrize("content", ContentCipher)
@pytest.mark.parametrize(("kind", "key_management"), RECIPIENTS)
def test_no_envelope_opens_for_charlie(
    authority: Authority, openssl: OpenSsl, kind: str, key_management: KeyManagement, content: ContentCipher
) -> None:
    alice, charlie = (authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, CHARLIE))
    mail = envelope(ENTITY, [Recipient.from_certificate(alice.der, choice=Choice(key_management, content))])
    with pytest.raises(subprocess.CalledProcessError):
        openssl.decrypt(mail, charlie)


@pytest.mark.parametrize("content", [ContentCipher.AES_128_GCM, ContentCipher.AES_256_GCM])
def test_gcm_does_not_open_once_changed(authority: Authority, openssl: OpenSsl, content: ContentCipher) -> None:
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    sealed = encrypt(ENTITY, [Recipient.from_certificate(alice.der, choice=Choice(KeyManagement.ECDH, content))])
    for place in (1, 16, 17, len(ENTITY) + 17):
        changed = bytearray(sealed)
        changed[-place] ^= 1
        with pytest.raises(subprocess.CalledProcessError):
            openssl.decrypt(HEAD + base64_lines(bytes(changed)), alice)
