"""Sealing a notification of 4 KB against the sum of its primitives and against BouncyCastle, a whole message against the builders at hand."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bench.floors.bouncycastle import WARMING, bouncycastle, install
from bench.floors.builders import builders
from bench.floors.primitives import ec_floor, rsa_floor
from bench.interleave import Comparison, compare, repeated
from bench.rows import Goal, Row, Sense, of_ratio
from mailer.smime.encrypt import encrypt
from mailer.smime.entity import Content, build_entity
from mailer.smime.message import seal
from mailer.smime.recipients import Recipient
from mailer.smime.sign import Signer
from tests.pki import Authority, Holder, Usage

SIZE = 4096
LINE = "Dear customer, this is a line of a notification with some seventy letters.\r\n"
TEXT = (LINE * (SIZE // len(LINE) + 1))[: SIZE - 2] + "\r\n"
# The signed attributes of one signature: what is hashed the second time.
ATTRIBUTES = 298
BANK, ALICE = "bills@bank.example.com", "alice@example.net"

SEALED_RSA = "seal 4 KB, RSA to RSA: messages/s, ratio of times"
SEALED_EC = "seal 4 KB, EC to EC: messages/s, ratio of times"
WIRE = "whole wire message of 4 KB: messages/s, against email.message and cryptography's builders"
BOUNCYCASTLE_RSA = "seal 4 KB, RSA to RSA: messages/s, against BouncyCastle on a warm JVM"
BOUNCYCASTLE_EC = "seal 4 KB, EC to EC: messages/s, against BouncyCastle on a warm JVM"
GOALS = {
    SEALED_RSA: Goal(Sense.AT_MOST, 1.15),
    SEALED_EC: Goal(Sense.AT_MOST, 1.35),
    WIRE: Goal(Sense.AT_LEAST, 4.0),
    BOUNCYCASTLE_RSA: Goal(Sense.AT_LEAST, 2.5),
    BOUNCYCASTLE_EC: Goal(Sense.AT_LEAST, 3.0),
}


def rows() -> Iterator[Row]:
    authority, at = Authority("Bench"), datetime.now(UTC)
    for name, kind in ((SEALED_RSA, "rsa2048"), (SEALED_EC, "p256")):
        found = _against_primitives(authority, kind, at)
        # The floor's rate over ours is our time over the floor's.
        yield of_ratio(name, found.ours, found.against, 1 / found.ratio, GOALS[name])
    found = _against_builders(authority, at)
    yield of_ratio(WIRE, found.ours, found.against, found.ratio, GOALS[WIRE])
    install()
    for name, kind in ((BOUNCYCASTLE_RSA, "rsa2048"), (BOUNCYCASTLE_EC, "p256")):
        found = _against_bouncycastle(authority, kind, at)
        yield of_ratio(name, found.ours, found.against, found.ratio, GOALS[name])


def _cast(authority: Authority, kind: str) -> tuple[Holder, Holder, Signer, Recipient]:
    bank, alice = authority.leaf(BANK, kind, Usage.SIGN, organization="Example Bank"), authority.leaf(ALICE, kind, Usage.ENCRYPT)
    return bank, alice, Signer(bank.key, bank.der, authority.chain), Recipient.from_certificate(alice.der)


def _against_primitives(authority: Authority, kind: str, at: datetime) -> Comparison:
    bank, alice, signer, recipient = _cast(authority, kind)
    entity = build_entity(Content("Your statement", TEXT))
    size = len(signer.sign(entity, at=at))
    padded = bytes(size - size % 16 + 16)
    public = alice.key.public_key()
    if isinstance(bank.key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
        floor = rsa_floor(bank.key, public, entity, bytes(ATTRIBUTES), padded)
    elif isinstance(bank.key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
        floor = ec_floor(bank.key, public, entity, bytes(ATTRIBUTES), padded)
    else:
        raise TypeError(kind)
    return compare(repeated(lambda: encrypt(signer.sign(entity, at=at), [recipient])), repeated(floor))


def _against_bouncycastle(authority: Authority, kind: str, at: datetime) -> Comparison:
    """The same entity from the same signer to the same recipient by the same algorithms."""
    bank, alice, signer, recipient = _cast(authority, kind)
    entity = build_entity(Content("Your statement", TEXT))
    with bouncycastle(bank, authority.chain, alice, entity) as rival:
        rival.seal(WARMING)
        return compare(repeated(lambda: encrypt(signer.sign(entity, at=at), [recipient])), rival.seal)


def _against_builders(authority: Authority, at: datetime) -> Comparison:
    bank, alice, signer, recipient = _cast(authority, "rsa2048")
    content = Content("Your statement", TEXT)

    def ours() -> bytes:
        return seal(
            content,
            sender=BANK,
            recipient=ALICE,
            signer=signer,
            recipients=[recipient],
            message_id="<statement@bank.example.com>",
            at=at,
            neutral_subject="A sealed message",
        )

    floor = builders(bank.key, bank.certificate, [authority.issuer.certificate], alice.certificate, text=TEXT, at=at)
    return compare(repeated(ours), repeated(floor))
