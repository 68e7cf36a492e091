"""Certificates made to break a parser: each ends in facts or in one of our named errors, and soon."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest

from directory.x509.certificate import parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import X509Error
from directory.x509.gate import check_key
from tests.pki import Authority

MOST_SECONDS = 1.0


def vectors() -> Iterator[Path]:
    root = Path(cryptography_vectors.__path__[0])
    for folder in ("x509", "pkcs7"):
        yield from sorted(path for path in (root / folder).rglob("*") if path.suffix in {".pem", ".der", ".crt", ".p7b"})


def test_it_survives_the_vectors_of_cryptography() -> None:
    parsed = 0
    for path in vectors():
        try:
            for der in read_upload(path.read_bytes()):
                check_key(parse_certificate(der))
                parsed += 1
        except X509Error:
            continue
    assert parsed > 300


def mutate(data: bytes, chance: random.Random) -> bytes:
    mutated = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(mutated))
        match chance.randrange(5):
            case 0:
                mutated[place] ^= 1 << chance.randrange(8)
            case 1:
                mutated[place] = chance.randrange(256)
            case 2:
                del mutated[place : place + chance.randrange(1, 8)]
            case 3:
                mutated[place:place] = chance.randbytes(chance.randrange(1, 8))
            case 4:
                mutated[place : place + 4] = mutated[chance.randrange(len(mutated)) :][:4]
        mutated = mutated or bytearray(b"\x00")
    return bytes(mutated)


def survive(rounds: int, authority: Authority, seed: int) -> int:
    chance = random.Random(seed)
    seeds = [authority.leaf("alice@example.com", kind, organization="Bank AG").der for kind in ("rsa2048", "p256", "p384")]
    parsed = 0
    for _ in range(rounds):
        data = mutate(chance.choice(seeds), chance)
        started = time.monotonic()
        try:
            found = parse_certificate(data)
            parsed += 1
            # What is stored must fit PostgreSQL's text.
            for text in (found.issuer, found.serial, *(value or "" for value in (found.identity.name, found.identity.organization))):
                assert "\x00" not in text
                text.encode()
            check_key(found)
        except X509Error:
            pass
        assert time.monotonic() - started < MOST_SECONDS
    return parsed


def test_it_survives_mutated_certificates(authority: Authority) -> None:
    assert 0 < survive(3000, authority, seed=1) < 3000


@pytest.mark.soak
def test_it_survives_a_hundred_thousand_mutated_certificates(authority: Authority) -> None:
    assert 0 < survive(100_000, authority, seed=int(time.time())) < 100_000
