"""The floors do the work that they stand for."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench import sealing
from bench.floors.builders import builders
from bench.floors.primitives import ec_floor, rsa_floor
from mailer.smime import parts
from mailer.smime.open import Opener, open_envelope
from mailer.smime.sign import Signer
from mailer.smime.verify import verify
from tests.pki import Authority, Usage

AUTHORITY = Authority("Bench")
AT = AUTHORITY.at


def test_it_encrypts_as_many_octets_as_sealing_does() -> None:
    key = AUTHORITY.leaf(sealing.BANK, "rsa2048").key
    assert isinstance(key, rsa.RSAPrivateKey)
    once = rsa_floor(key, key.public_key(), b"x" * 4096, bytes(210), bytes(7152))
    found = once()
    assert isinstance(found, bytes)
    assert len(found) == 7152
    assert found != once()


def test_it_agrees_on_a_new_key_for_every_message() -> None:
    key = AUTHORITY.leaf(sealing.BANK, "p256").key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    once = ec_floor(key, key.public_key(), b"x" * 4096, bytes(210), bytes(7152))
    assert once() != once()


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_counts_the_octets_of_the_attributes(kind: str) -> None:
    holder = AUTHORITY.leaf(sealing.BANK, kind, Usage.SIGN)
    template = Signer(holder.key, holder.der)._utc
    attributes = template.set_head + template.of(bytes(13), bytes(32))
    assert abs(len(attributes) - sealing.ATTRIBUTES) < 10


def test_it_builds_a_message_that_opens_and_verifies() -> None:
    bank, alice = AUTHORITY.leaf(sealing.BANK, "rsa2048", Usage.SIGN), AUTHORITY.leaf(sealing.ALICE, "rsa2048", Usage.ENCRYPT)
    chain = [AUTHORITY.issuer.certificate]
    once = builders(bank.key, bank.certificate, chain, alice.certificate, text=sealing.TEXT, at=datetime.now(UTC))
    message = once()
    assert isinstance(message, bytes)
    cms = parts.cms_of(message)
    assert cms is not None
    entity = open_envelope(cms, [Opener(alice.key, alice.der)])
    canonical = entity.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert verify(canonical, roots=[AUTHORITY.root.der], at=AT, sender=sealing.BANK).verified


def test_it_has_a_text_of_four_kilobytes() -> None:
    assert len(sealing.TEXT.encode()) == sealing.SIZE
