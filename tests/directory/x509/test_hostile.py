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
from tests.directory.x509.mutations import mutate, seeds
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


def survive(rounds: int, authority: Authority, seed: int) -> int:
    chance = random.Random(seed)
    sources = seeds(authority)
    parsed = 0
    for _ in range(rounds):
        data = mutate(sources, chance)
        started = time.process_time()
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
        assert time.process_time() - started < MOST_SECONDS
    return parsed


def test_it_survives_mutated_certificates(authority: Authority) -> None:
    assert 0 < survive(1500, authority, seed=1) < 1500


@pytest.mark.soak
def test_it_survives_a_hundred_thousand_mutated_certificates(authority: Authority) -> None:
    assert 0 < survive(100_000, authority, seed=int(time.time())) < 100_000
