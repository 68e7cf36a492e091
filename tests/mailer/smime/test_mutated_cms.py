"""Mutated CMS and mail: whatever octets change, reading names what is wrong, within a second and 256 MB, and verifies nothing else than was signed.

`make soak` reads 100,000 of them, each in a process of its own under the kernel's limits; `make test` 500.
"""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import pytest

from directory.isolation import IsolationError
from mailer.smime import isolated
from mailer.smime.encoding import base64_lines
from mailer.smime.encrypt import encrypt
from mailer.smime.errors import ParsingFailed, SmimeError
from mailer.smime.open import Opener
from mailer.smime.parts import cms_of
from mailer.smime.recipients import Recipient
from mailer.smime.sign import SignatureForm, Signer
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import Verification
from tests.mailer.smime.conftest import ALICE, BANK
from tests.mailer.smime.test_opening_ber import indefinite
from tests.mailer.smime.test_opening_foreign import compressed
from tests.mailer.smime.test_verifying_attacks import OPAQUE
from tests.pki import Authority, Usage

SEED = 20261125
ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


@dataclass(frozen=True)
class Sample:
    """A genuine CMS; `opens` it is an envelope, else a signature."""

    cms: bytes
    opens: bool


class Samples:
    """What is mutated: signatures and envelopes by each kind of key, opaque, at indefinite lengths, compressed."""

    def __init__(self, authority: Authority, at: datetime) -> None:
        self.trust, self.at = Trust([authority.root.der], revocation=Revocation.IF_GIVEN), at
        holders = {kind: authority.leaf(ALICE, kind, Usage.ENCRYPT) for kind in ("rsa2048", "p256")}
        self.openers = [Opener(holder.key, holder.der) for holder in holders.values()]
        self.samples: list[Sample] = []
        for kind in ("rsa2048", "p256"):
            bank = authority.leaf(BANK, kind, Usage.SIGN)
            opaque = cms_of(Signer(bank.key, bank.der, authority.chain).sign(ENTITY, at=at, form=SignatureForm.OPAQUE))
            envelope = encrypt(ENTITY, [Recipient.from_certificate(holders[kind].der)])
            assert opaque
            self.samples += [Sample(opaque, opens=False), Sample(indefinite(opaque), opens=False)]
            self.samples += [Sample(envelope, opens=True), Sample(indefinite(envelope), opens=True)]
        self.samples.append(Sample(compressed(ENTITY), opens=False))

    def verify(self, cms: bytes) -> Verification:
        entity = OPAQUE % b"signed-data" + base64_lines(cms)
        return isolated.judged(entity, at=self.at, trust=self.trust, sender=BANK)


@pytest.fixture(scope="module")
def samples(authority: Authority) -> Samples:
    return Samples(authority, authority.at)


def mutations(samples: Samples, count: int, seed: int) -> Iterator[tuple[Sample, bytes]]:
    chance = random.Random(seed)
    ways = (_flip_bits, _truncate, _edit_length, _splice, _repeat, _overwrite, _nest)
    for number in range(count):
        sample = samples.samples[number % len(samples.samples)]
        mutated = bytearray(sample.cms)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            chance.choice(ways)(mutated, chance, samples)
        yield sample, bytes(mutated)


def _flip_bits(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    for _ in range(chance.randint(1, 4)):
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    start = chance.randrange(len(data) + 1)
    del data[start : len(data) if chance.random() < 0.5 else start + chance.randint(1, 64)]


def _edit_length(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    """The octet behind something that looks like a constructed tag, which is mostly a length."""
    tags = [index for index in range(len(data) - 1) if data[index] in {0x30, 0x31, 0xA0, 0xA1, 0x24, 0x04, 0x02, 0x06}]
    if tags:
        index = chance.choice(tags) + 1
        data[index : index + 1] = chance.choice(
            (b"\x80", b"\x00", b"\x7f", b"\x84\xff\xff\xff\xff", b"\x88" + bytes(8), bytes((chance.randrange(256),)))
        )


def _splice(data: bytearray, chance: random.Random, samples: Samples) -> None:
    other = chance.choice(samples.samples).cms
    start, end = sorted(chance.randrange(len(other) + 1) for _ in range(2))
    at = chance.randrange(len(data) + 1)
    data[at : at + chance.choice((0, end - start))] = other[start:end]


def _repeat(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    """One element many times over, as in a list that does not end."""
    start = chance.randrange(len(data) + 1)
    piece = bytes(data[start : start + chance.randint(2, 40)])
    data[start:start] = piece * chance.randint(2, 2000)


def _overwrite(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    start = chance.randrange(len(data) + 1)
    data[start : start + 8] = chance.randbytes(chance.randint(0, 8))


def _nest(data: bytearray, chance: random.Random, _samples: Samples) -> None:
    start = chance.randrange(len(data) + 1)
    data[start:start] = chance.choice((b"\x30\x80", b"\x24\x80", b"\xa0\x80", b"\x31\x80")) * chance.choice((1, 40, 20_000))


def read(samples: Samples, sample: Sample, mutated: bytes) -> str:
    """What came of it, by name. Fails where the reader crashed, took too much, or believed what was not signed."""
    try:
        if sample.opens:
            isolated.opened(mutated, samples.openers)
            return "opened"
        found = samples.verify(mutated)
    except SmimeError as error:
        if isinstance(error.__cause__, IsolationError) or isinstance(error, ParsingFailed):
            pytest.fail(f"{error.__cause__ or error} on {mutated.hex()}")
        return error.code
    assert not found.verified or found.content == ENTITY, mutated.hex()
    return found.outcome.value


def read_all(samples: Samples, count: int, seed: int) -> Counter[str]:
    with ThreadPoolExecutor(4) as threads:
        counted: Counter[str] = Counter()
        mutated = mutations(samples, count, seed)
        while chunk := list(islice(mutated, 500)):
            counted.update(threads.map(lambda pair: read(samples, *pair), chunk))
        return counted


def test_it_reads_the_samples_themselves(samples: Samples) -> None:
    for sample in samples.samples[:-1]:
        assert read(samples, sample, sample.cms) in {"opened", "verified", "malformed", "not_for_this_key", "no_signer_certificate"}
    assert [read(samples, sample, sample.cms) for sample in samples.samples if der_only(sample)] == ["verified", "opened"] * 2 + ["not_signed"]


def der_only(sample: Sample) -> bool:
    """At indefinite lengths throughout, names and certificates too, a message is readable and not what it was."""
    return sample.cms[1] != 0x80


def test_it_survives_some(samples: Samples) -> None:
    counted = read_all(samples, 500, SEED)
    assert sum(counted.values()) == 500
    assert len(counted) > 3, counted


@pytest.mark.soak
def test_it_survives_a_hundred_thousand(samples: Samples) -> None:
    counted = read_all(samples, 100_000, SEED + 1)
    assert sum(counted.values()) == 100_000
    assert counted["verified"] < 100_000 // 4, counted
