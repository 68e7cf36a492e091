"""Revocation lists that were fetched: whose they are, how new, and whether one of the given authorities signed them (RFC 5280 section 6.3.3)."""

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from .errors import CrlRefused

# Each costs path validation some 15 microseconds.
MOST_ENTRIES = 200_000
_MOST_ISSUER = 500
_CLOCKS_DIFFER = timedelta(minutes=10)
_FAULTS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


class Crl(NamedTuple):
    """`issuer` as RFC 4514 text, `number` its CRL number or -1, `scope` the DER of its IssuingDistributionPoint or nothing."""

    issuer: str
    number: int
    this_update: datetime
    next_update: datetime
    scope: bytes
    entries: int


def read_crl(encoding: bytes, authorities: Sequence[bytes], *, at: datetime) -> Crl:
    """Read a DER CRL that is good at the moment `at`. Raises CrlRefused.

    1. It is a complete list with an end, and that has not come.
    2. Its issuer is one of `authorities` (DER) that may sign lists, and the signature is that one's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = x509.load_der_x509_crl(encoding)
            _check(found, authorities, at=at)
            return _described(found)
        except _FAULTS as error:
            raise CrlRefused("it is not a revocation list in DER") from error


def describe_crl(encoding: bytes) -> Crl:
    """What a DER CRL says of itself, whoever signed it. Raises CrlRefused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _described(x509.load_der_x509_crl(encoding))
        except _FAULTS as error:
            raise CrlRefused("it is not a revocation list in DER") from error


def _check(found: x509.CertificateRevocationList, authorities: Sequence[bytes], *, at: datetime) -> None:
    # Step 1.
    delta = _extension(found, ExtensionOID.DELTA_CRL_INDICATOR)
    if delta is not None:
        raise CrlRefused("it is a delta, not a whole list")
    if found.next_update_utc is None:
        raise CrlRefused("it does not say when the next list comes")
    if found.next_update_utc <= at:
        raise CrlRefused(f"it ran out at {found.next_update_utc:%Y-%m-%d %H:%M} UTC")
    if found.last_update_utc > at + _CLOCKS_DIFFER:
        raise CrlRefused("it is of the future")
    if len(found) > MOST_ENTRIES:
        raise CrlRefused(f"it has more than {MOST_ENTRIES} entries")
    # Step 2.
    if not any(_has_signed(x509.load_der_x509_certificate(authority), found) for authority in authorities):
        raise CrlRefused("no authority in the trust store has signed it")


def _described(found: x509.CertificateRevocationList) -> Crl:
    if found.next_update_utc is None:
        raise CrlRefused("it does not say when the next list comes")
    number = _extension(found, ExtensionOID.CRL_NUMBER)
    scope = _extension(found, ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    return Crl(
        issuer=found.issuer.rfc4514_string()[:_MOST_ISSUER],
        number=number.crl_number if isinstance(number, x509.CRLNumber) else -1,
        this_update=found.last_update_utc,
        next_update=found.next_update_utc,
        scope=scope.public_bytes() if isinstance(scope, x509.IssuingDistributionPoint) else b"",
        entries=len(found),
    )


def _extension(found: x509.CertificateRevocationList, oid: x509.ObjectIdentifier) -> x509.ExtensionType | None:
    try:
        return found.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None


def _has_signed(authority: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    if authority.subject != found.issuer:
        return False
    try:
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    key = authority.public_key()
    return (usage is None or usage.crl_sign) and isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and found.is_signature_valid(key)
