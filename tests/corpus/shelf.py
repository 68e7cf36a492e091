"""Real mails, CMS and keys from other projects' test suites, with what those and OpenSSL make of them. They stay outside the repository."""

import csv
import json
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key, pkcs12

from mailer.smime.content_keys import PrivateKey
from mailer.smime.open import Opener

FOLDER = Path(os.environ.get("LETTERLOCK_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
_PEM = b"-----BEGIN"


@dataclass(frozen=True)
class Item:
    """One file: `expected` is its own suite's words, `measured` OpenSSL's and cryptography's."""

    path: str
    kind: str
    expected: str
    measured: str

    @property
    def family(self) -> str:
        """The suite it comes from: some have several folders."""
        return re.split("[_/]", self.path)[0]

    def read(self) -> bytes:
        return (FOLDER / self.path).read_bytes()

    @property
    def thunderbird(self) -> dict[str, Any] | None:
        """What Thunderbird's main test wants to see: `enc`, `sig`, `sig_good`."""
        if not self.expected.startswith("Thunderbird:"):
            return None
        found: dict[str, Any] = json.loads(self.expected.removeprefix("Thunderbird:")).get("test_smime_decrypt.js")
        return found

    def measure(self, pattern: str) -> str:
        """The first group of a pattern in what was measured, empty if it is not there."""
        found = re.search(pattern, self.measured)
        return found[1] if found else ""


@cache
def items() -> tuple[Item, ...]:
    """All that is listed and there; nothing where there is no corpus."""
    index = FOLDER / "INDEX.tsv"
    if not index.exists():
        return ()
    with index.open(newline="", encoding="utf-8") as lines:
        _, *rows = csv.reader(lines, delimiter="\t")
    found = (Item(row[0], row[1], row[5], row[6]) for row in rows if len(row) > 6)
    return tuple(item for item in found if item.kind != "kind" and (FOLDER / item.path).exists())


def of_kind(*kinds: str) -> list[Item]:
    return [item for item in items() if item.kind in kinds]


@cache
def roots(family: str) -> tuple[bytes, ...]:
    """Every certificate that issued itself, alone or in a .p12 of the family: what its suite trusts."""
    known = [certificate for item in of_kind("cert") for certificate in _certificates(item.read())]
    known += [certificate for item in of_kind("p12") if item.family == family for certificate in _opened(item)[1]]
    return tuple(sorted({bytes_of(certificate) for certificate in known if _issued_itself(certificate)}))


def _issued_itself(certificate: x509.Certificate) -> bool:
    try:
        return certificate.issuer == certificate.subject
    except ValueError:  # names are read when they are asked for
        return False


def bytes_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@cache
def openers(family: str) -> tuple[Opener, ...]:
    """Every private key of the family with its certificate. To load them all takes half a minute: OpenSSL looks closely at RSA keys."""
    return tuple(_openers(family))


def _openers(family: str) -> Iterator[Opener]:
    for item in [found for found in of_kind("p12") if found.family == family]:
        key, certificates = _opened(item)
        if key is not None:
            yield Opener(key, bytes_of(certificates[0]))
    for item in [found for found in of_kind("key") if found.family == family]:
        loaded, pair = key_of(item), FOLDER / item.measure(r"pairs_with=(\S+)")
        if loaded is not None and pair.is_file():
            for certificate in _certificates(pair.read_bytes())[:1]:
                yield Opener(loaded, bytes_of(certificate))


def key_of(item: Item) -> PrivateKey | None:
    data, password = item.read(), item.measure(r'pw="([^"]*)"').encode() or None
    try:
        key = (load_pem_private_key if _PEM in data else load_der_private_key)(data, password)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


@cache
def _opened(item: Item) -> tuple[PrivateKey | None, list[x509.Certificate]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are BER
        try:
            key, own, more = pkcs12.load_key_and_certificates(item.read(), item.measure(r'pw="([^"]*)"').encode())
        except ValueError:
            return None, []
    certificates = [certificate for certificate in (own, *more) if certificate is not None]
    return (key if own and isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None), certificates


def _certificates(data: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
        except (ValueError, x509.InvalidVersion):
            return []


def openers_of(item: Item) -> list[Opener]:
    """The opener that OpenSSL decrypted with: a key alone is made to answer to every name in the envelope."""
    named = item.measure(r"DECRYPT_OK key=(\S+)")
    keys = [found for found in of_kind("key") if found.path == named]
    found = list(openers(item.family))
    for key in keys:
        loaded = key_of(key)
        if loaded is not None:
            found.append(_Nameless(loaded))
    return found


class _Nameless(Opener):
    """A key whose certificate is not at hand."""

    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.names = frozenset()
