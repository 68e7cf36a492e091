"""Opening envelopes: our own, OpenSSL's, and hostile ones, each with a named outcome."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smime import der, oids
from mailer.smime.encrypt import encrypt
from mailer.smime.errors import CannotDecrypt, MalformedCms, NotForThisKey, SmimeError, TooLarge, UnsupportedAlgorithm
from mailer.smime.open import Opener, open_envelope
from mailer.smime.recipients import Recipient
from tests.mailer.smime.conftest import ALICE, BOB, CHARLIE, RECIPIENT_KINDS
from tests.pki import Authority, Holder, Usage

SECRET = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


def opener(holder: Holder) -> Opener:
    return Opener(holder.key, holder.der)


def envelope_for(*holders: Holder) -> bytes:
    return encrypt(SECRET, [Recipient.from_certificate(holder.der) for holder in holders])


@pytest.mark.parametrize("kind", RECIPIENT_KINDS)
def test_it_opens_what_was_sealed_to_alice_and_bob_but_not_for_charlie(authority: Authority, kind: str) -> None:
    alice, bob, charlie = (authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, BOB, CHARLIE))
    envelope = envelope_for(alice, bob)
    assert open_envelope(envelope, [opener(alice)]) == open_envelope(envelope, [opener(charlie), opener(bob)]) == SECRET
    with pytest.raises(NotForThisKey):
        open_envelope(envelope, [opener(charlie)])
    with pytest.raises(NotForThisKey):
        open_envelope(envelope, [])


@pytest.mark.parametrize("kind", RECIPIENT_KINDS)
def test_it_does_not_open_with_charlies_key_under_alices_name(authority: Authority, kind: str) -> None:
    alice, charlie = (authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, CHARLIE))
    with suppress(CannotDecrypt):
        # With RSA a random content key stands in, and one wrong key in 256 leaves octets that end like padding.
        assert open_envelope(envelope_for(alice), [Opener(charlie.key, alice.der)]) != SECRET


@pytest.mark.parametrize("cipher", ["-aes128", "-aes256"])
@pytest.mark.parametrize(
    ("kind", "options"), [("rsa2048", []), ("p256", ["-keyopt", "ecdh_kdf_md:sha256"]), ("p384", ["-keyopt", "ecdh_kdf_md:sha256"])]
)
def test_it_opens_what_openssl_wrote(authority: Authority, tmp_path: Path, kind: str, options: list[str], cipher: str) -> None:
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    (tmp_path / "alice.crt").write_bytes(alice.pem)
    command = ["openssl", "cms", "-encrypt", "-binary", "-outform", "DER", cipher, "-recip", "alice.crt", *options]
    written = subprocess.run(command, cwd=tmp_path, input=SECRET, capture_output=True, check=True, timeout=30).stdout
    assert open_envelope(written, [opener(alice)]) == SECRET


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_says_nothing_of_why_it_cannot_decrypt(authority: Authority, kind: str) -> None:
    """Whatever octet of the key or the last block is changed, an attacker learns no more than that it failed."""
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    envelope = envelope_for(alice)
    told: set[str] = set()
    for position in (len(envelope) - 1, len(envelope) - 17):
        changed = bytearray(envelope)
        changed[position] ^= 1
        try:
            opened = open_envelope(bytes(changed), [opener(alice)])
        except CannotDecrypt as error:
            told.add(str(error))
        else:
            assert opened != SECRET  # one changed block in 256 still ends like padding
    assert told <= {"the content cannot be decrypted"}


def test_it_answers_alike_to_a_bad_key_and_bad_padding(authority: Authority) -> None:
    """Bleichenbacher's question gets one answer: a random key stands in for one that did not unwrap (RFC 3218)."""
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    assert isinstance(alice.key, rsa.RSAPrivateKey)
    modulus = alice.key.public_key().public_numbers().n
    envelope = envelope_for(alice)
    start = envelope.index(oids.RSA_ENCRYPTION) + len(oids.RSA_ENCRYPTION) + 4
    changed = envelope[:start] + (modulus - 2).to_bytes(256, "big") + envelope[start + 256 :]
    answers = set()
    for _ in range(20):
        try:
            open_envelope(changed, [opener(alice)])
        except CannotDecrypt as error:
            answers.add(str(error))
    assert answers == {"the content cannot be decrypted"}


def enveloped(*parts: bytes) -> bytes:
    return der.sequence(oids.ENVELOPED_DATA, der.explicit(0, der.sequence(*parts)))


CBC = der.sequence(oids.AES_256_CBC, der.octet_string(bytes(16)))
GCM = der.sequence(der.oid("2.16.840.1.101.3.4.1.46"), der.sequence(der.octet_string(bytes(12)), der.integer(16)))
TRIPLE_DES = der.sequence(der.oid("1.2.840.113549.3.7"), der.octet_string(bytes(8)))
NOBODY = der.tlv(der.SET)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", MalformedCms),
        (b"\x30", MalformedCms),
        (b"\x30\x80\x00\x00", MalformedCms),
        (b"\x30\x84\xff\xff\xff\xff", MalformedCms),
        (b"\x30\x81\x01\x00", MalformedCms),
        (b"\x3f\x81\x01\x00", MalformedCms),
        (der.sequence(oids.ENVELOPED_DATA), MalformedCms),
        (der.sequence(oids.SIGNED_DATA, der.explicit(0, der.sequence())), UnsupportedAlgorithm),
        (enveloped(der.integer(0), NOBODY, der.sequence(oids.DATA, TRIPLE_DES, der.tlv(0x80, bytes(16)))), NotForThisKey),
        (enveloped(der.integer(0), NOBODY, der.sequence(oids.DATA, GCM, der.tlv(0x80, bytes(16)))), UnsupportedAlgorithm),
        (enveloped(der.integer(0), NOBODY, der.sequence(oids.DATA, CBC, der.tlv(0x80, bytes(16)))), NotForThisKey),
        (enveloped(der.integer(0), der.tlv(der.SET, der.tlv(0xA3) * 1001), der.sequence(oids.DATA, CBC, der.tlv(0x80, bytes(16)))), TooLarge),
        (bytes(33 * 1024 * 1024), TooLarge),
    ],
    ids=range(13),
)
def test_it_refuses_hostile_input_by_name(authority: Authority, data: bytes, error: type[SmimeError]) -> None:
    with pytest.raises(error):
        open_envelope(data, [opener(authority.leaf(ALICE, "p256", Usage.ENCRYPT))])


@pytest.fixture(scope="module")
def sealed(authority: Authority) -> list[tuple[bytes, Opener]]:
    holders = [authority.leaf(ALICE, kind, Usage.ENCRYPT) for kind in ("rsa2048", "p256")]
    return [(envelope_for(holder), opener(holder)) for holder in holders]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_it_never_fails_without_a_name(sealed: list[tuple[bytes, Opener]], data: st.DataObject) -> None:
    envelope, key = data.draw(st.sampled_from(sealed))
    start = data.draw(st.integers(0, len(envelope)))
    end = data.draw(st.integers(start, min(len(envelope), start + 8)))
    mutated = envelope[:start] + data.draw(st.binary(max_size=8)) + envelope[end:]
    with suppress(MalformedCms, TooLarge, UnsupportedAlgorithm, NotForThisKey, CannotDecrypt):
        open_envelope(mutated, [key])
