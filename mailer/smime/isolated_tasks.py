"""Reading of strangers' mail in `directory.isolation`'s process; `isolated` calls these. No private key comes here."""

import encodings
import pkgutil
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import asn1crypto
import cryptography
import idna
import pyhanko_certvalidator

from . import crls, envelopes, judging, senders, senders_certificates
from .errors import EncryptionRefused, SmimeError
from .mail import Here
from .packing import Blobs, pack, unpack
from .trust import Revocation, Trust
from .verify import verify

# Once files are given up nothing more can be imported, and each of these loads parts of itself at their first use. Nothing is ever fetched.
for _package in (encodings, idna, asn1crypto, cryptography, pyhanko_certvalidator):
    for _module in pkgutil.walk_packages(_package.__path__, f"{_package.__name__}."):
        if "fetchers" not in _module.name:
            with suppress(ImportError):  # those of other systems
                import_module(_module.name)
datetime.strptime("2026", "%Y").replace(tzinfo=UTC)

Answer = tuple[Any, Blobs]


def _trust(values: Any) -> Trust:
    roots, intermediates, crls, ocsp, revocation, *rest = values
    return Trust(roots, intermediates, crls, ocsp, Revocation(revocation), *rest)


def _answer(value: Any) -> Answer:
    blobs: Blobs = []
    return pack(value, blobs), blobs


def _error(error: SmimeError) -> Answer:
    return {"error": error.code, "text": str(error)}, []


def peel(arguments: Any, *blobs: bytes) -> Answer:
    octets, content_type, names, trust, at = unpack(arguments, list(blobs))
    try:
        return _answer(Here().peel(octets, content_type, frozenset(names), trust=_trust(trust), at=at))
    except SmimeError as error:
        return _error(error)


def judge_sender(arguments: Any, *blobs: bytes) -> Answer:
    message, inside, signers, encrypted = unpack(arguments, list(blobs))
    return _answer((senders.judge(message, inside, signers, encrypted=encrypted),))


def read_envelope(arguments: Any, *blobs: bytes) -> Answer:
    envelope, names, max_size = unpack(arguments, list(blobs))
    try:
        return _answer(envelopes.read(envelope, frozenset(names), max_size=max_size))
    except SmimeError as error:
        return _error(error)


def verify_entity(arguments: Any, *blobs: bytes) -> Answer:
    entity, at, trust, sender = unpack(arguments, list(blobs))
    return _answer(verify(entity, at=at, trust=_trust(trust), sender=sender))


def read_senders_certificates(arguments: Any, *blobs: bytes) -> Answer:
    """What was found, or in a tuple of one the outcome for which it is refused."""
    message, signer, trust, at = unpack(arguments, list(blobs))
    try:
        return _answer(tuple(senders_certificates.certificates_of(message, signer, trust=_trust(trust), at=at)))
    except EncryptionRefused as refused:
        return _answer((refused.outcome,))
    except SmimeError as error:
        return _error(error)


def judge_certificate(arguments: Any, *blobs: bytes) -> Answer:
    certificate, chain, trust, policies, at = unpack(arguments, list(blobs))
    return _answer(judging.judge_certificate(certificate, chain, trust=_trust(trust), policies=policies, at=at))


def read_crl(arguments: Any, *blobs: bytes) -> Answer:
    encoding, authorities, at = unpack(arguments, list(blobs))
    try:
        return _answer(crls.read_crl(encoding, authorities, at=at))
    except SmimeError as error:
        return _error(error)


def describe_crl(arguments: Any, *blobs: bytes) -> Answer:
    (encoding,) = unpack(arguments, list(blobs))
    try:
        return _answer(crls.describe_crl(encoding))
    except SmimeError as error:
        return _error(error)


_FUNCTIONS = (peel, judge_sender, read_envelope, verify_entity, read_senders_certificates, judge_certificate, read_crl, describe_crl)
TASKS = {function.__name__: function for function in _FUNCTIONS}
