"""Certificates made to break a parser: each ends in facts or in one of our named errors, and soon."""

import csv
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cryptography_vectors
import pytest

from directory.x509.certificate import parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import CertificateError, UploadError, X509Error
from directory.x509.gate import check_key
from tests.pki import Authority

CORPUS = Path(os.environ.get("LETTERLOCK_CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))
MOST_SECONDS = 1.0
# The only files of kind cert that are refused, each with the code it must end in.
REFUSED = {
    "malformed_x509/cert_bad_utf8_subject.pem": "malformed_certificate",  # the subject is not UTF-8
    "malformed_x509/negative_serial.pem": "malformed_serial",  # RFC 5280 section 4.1.2.2
    "outlook_sjm/pkcs12__smime_test_user.pem.openssl.crt": "malformed_upload",  # OpenSSL's own TRUSTED CERTIFICATE, with trust settings after it
}
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def corpus_files() -> Iterator[tuple[str, bytes]]:
    with (CORPUS / "INDEX.tsv").open(encoding="utf-8") as index:
        for row in csv.DictReader(index, delimiter="\t"):
            if row["kind"] == "cert":
                yield row["path"], (CORPUS / row["path"]).read_bytes()


def without_private_key(data: bytes) -> bytes:
    """Some test suites keep a certificate beside its key in one PEM file, which an upload must not hold."""
    return b"\n".join(_CERTIFICATE.findall(data)) if b"PRIVATE KEY-----" in data else data


@pytest.mark.skipif(not (CORPUS / "INDEX.tsv").exists(), reason="the corpus is not here")
def test_it_parses_every_certificate_of_the_corpus_or_says_why_not() -> None:
    refused = {}
    parsed = 0
    for path, data in corpus_files():
        try:
            for der in read_upload(without_private_key(data)):
                parse_certificate(der)
                parsed += 1
        except (CertificateError, UploadError) as error:
            refused[path] = error.code
    assert refused == REFUSED
    assert parsed > 120


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
