"""Mutated mails: whatever is verified shows the signed text under the signer's name in another program too, which here is Python's own parser.

`make soak` reads 100,000 of them in this process, and 5,000 in the other one; `make test` 2,000 and 100.
"""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses

import pytest

from mailer.smime import isolated, mail
from mailer.smime.mail import Reading
from mailer.smime.open import Opener
from mailer.smime.outcomes import Outcome
from mailer.smime.sign import SignatureForm
from mailer.smime.trust import Revocation, Trust
from tests.mailer.smime.conftest import BANK
from tests.mailer.smime.test_verifying_attacks import ENTITY, EVIL, HEAD, Scene
from tests.pki import Authority

SEED = 20261126
ODD = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x00", b"\x0b", b"\x85", b" ", b"\t", b";", b'"', b"\\", b"(", b")", b"<", b">", b",", b":", b"=", b"--",
    b"*", b"*0", b"@", b"=?utf-8?q?", b"?=", b"\r\n ", b"\xff", b"\xc2\xa0", b"\xe2\x80\x8b",
    b"From: charlie@example.org\r\n", b"Reply-To: charlie@example.org\r\n", b"Sender: charlie@example.org\r\n",
    b"charlie@example.org", b"<charlie@example.org>", b"boundary=", b'; boundary="evil"', b"message/rfc822", EVIL,
    b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: base64\r\n",
)  # fmt: skip


class Genuine:
    """Mails of the bank's that are verified, and how to read them."""

    def __init__(self, authority: Authority, at: datetime) -> None:
        scene = Scene(authority, at)
        self.at, self.trust = at, Trust([authority.root.der], revocation=Revocation.IF_GIVEN)
        self.openers = [Opener(scene.alice.key, scene.alice.der)]
        detached, opaque = scene.signed(), scene.signed(form=SignatureForm.OPAQUE)
        self.mails = [HEAD + detached, HEAD + detached, HEAD + detached, HEAD + opaque, HEAD + scene.sealed(detached)]

    def mutated(self, count: int, seed: int) -> Iterator[bytes]:
        """Cheap ones first: few octets of the header and around delimiters, where programs differ."""
        chance = random.Random(seed)
        for number in range(count):
            octets = bytearray(self.mails[number % len(self.mails)])
            for _ in range(chance.choice((1, 1, 2, 3))):
                _change(octets, chance)
            yield bytes(octets)


def _change(octets: bytearray, chance: random.Random) -> None:
    lines = [0, *(index + 1 for index, octet in enumerate(octets) if octet == 0x0A)]
    near = [index for index in lines if octets[index : index + 2] == b"--"] or lines
    start = chance.choice((chance.randrange(min(len(octets), 700)), chance.choice(lines[:16]), chance.choice(near)))
    end = next((index for index in lines if index > start), len(octets))
    way = chance.randrange(5)
    if way == 0:
        octets[start:start] = chance.choice(ODD)
    elif way == 1:
        octets[start : start + chance.randint(1, 3)] = chance.choice(ODD)
    elif way == 2:
        del octets[start:end]
    elif way == 3:
        octets[start:start] = octets[start:end]
    else:
        other = chance.choice(lines[:16])
        octets[other:other] = octets[start:end]


def shown(message: bytes) -> tuple[list[str], list[str], str]:
    """By Python's parser: the senders, where an answer goes, and the text that is shown first."""
    parsed = message_from_bytes(message, policy=compat32)
    senders = [address.lower() for _, address in getaddresses([str(value) for value in parsed.get_all("from", [])])]
    others = [address.lower() for name in ("reply-to", "sender") for _, address in getaddresses([str(value) for value in parsed.get_all(name, [])])]
    return senders, others, _first_text(parsed)


def _first_text(parsed: Message) -> str:
    leaf = next(part for part in parsed.walk() if not part.is_multipart())
    return str(leaf.get_payload())


def read(message: bytes, reading: Reading) -> str:
    if reading.verified:
        senders, others, text = shown(message)
        assert reading.content == ENTITY, message
        assert (set(senders), set(others) - {BANK}) == ({BANK}, set()), message
        if message_from_bytes(message).get_content_type() == "multipart/signed":
            assert text.strip() == "The code is 4711.", message
    return reading.outcome.value


def here(genuine: Genuine, message: bytes) -> Reading:
    return mail.read_mail(message, genuine.openers, trust=genuine.trust, at=genuine.at)


def elsewhere(genuine: Genuine, message: bytes) -> Reading:
    return isolated.read_mail(message, genuine.openers, trust=genuine.trust, at=genuine.at)


@pytest.fixture(scope="module")
def genuine(authority: Authority, at: datetime) -> Genuine:
    return Genuine(authority, at)


def test_it_reads_the_mails_themselves(genuine: Genuine) -> None:
    for message in genuine.mails:
        assert read(message, here(genuine, message)) == Outcome.VERIFIED


def test_it_verifies_nothing_that_another_program_shows_otherwise(genuine: Genuine) -> None:
    counted = Counter(read(message, here(genuine, message)) for message in genuine.mutated(2000, SEED))
    assert 0 < counted[Outcome.VERIFIED] < 2000
    assert len(counted) > 8, counted


def test_it_judges_them_alike_in_the_other_process(genuine: Genuine) -> None:
    for message in genuine.mutated(100, SEED + 1):
        assert elsewhere(genuine, message) == here(genuine, message), message


@pytest.mark.soak
def test_it_verifies_none_of_a_hundred_thousand(genuine: Genuine) -> None:
    counted = Counter(read(message, here(genuine, message)) for message in genuine.mutated(100_000, SEED + 2))
    assert counted[Outcome.VERIFIED] < 50_000, counted
    for message in genuine.mutated(5000, SEED + 3):
        read(message, elsewhere(genuine, message))
