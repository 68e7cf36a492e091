"""What may be published at all. Parsing says what a certificate is; the gate says whether mail programs can rely on it."""

from collections.abc import Sequence
from datetime import datetime

from .certificate import Key, ParsedCertificate
from .errors import (
    AuthorityCertificateError,
    KeyUsageError,
    NoAddressError,
    OutOfTimeError,
    UnknownCriticalExtensionError,
    UnpublishableError,
    UnsupportedKeyError,
    WeakKeyError,
    WrongAddressError,
)
from .names import EmailAddress
from .weak_keys import is_weak, weak_among

LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 4096
RSA_EXPONENT = 65537
CURVES = frozenset({"P-256", "P-384"})
_WEAK = "The RSA key is known to be weak. Please make a new one."


def check_publishable(parsed: ParsedCertificate, *, address: EmailAddress, at: datetime) -> None:
    """Raise an UnpublishableError unless `parsed` may be published for `address` at the moment `at`."""
    _check_without_weakness(parsed, at=at)
    _check_weakness(parsed.key)
    if address.match not in {named.match for named in parsed.addresses}:
        raise WrongAddressError("The certificate names other addresses, not this one.")


def objections(certificates: Sequence[ParsedCertificate], *, at: datetime) -> list[UnpublishableError | None]:
    """For each certificate why it may be published for none of its addresses: as `check_publishable`, faster by looking at many keys at once."""
    found = [_objection(parsed, at=at) for parsed in certificates]
    weak = weak_among(
        [parsed.key.modulus for parsed, error in zip(certificates, found, strict=True) if error is None and parsed.key.modulus], RSA_EXPONENT
    )
    return [WeakKeyError(_WEAK) if error is None and parsed.key.modulus in weak else error for parsed, error in zip(certificates, found, strict=True)]


def _objection(parsed: ParsedCertificate, *, at: datetime) -> UnpublishableError | None:
    try:
        _check_without_weakness(parsed, at=at)
    except UnpublishableError as error:
        return error
    return None


def _check_without_weakness(parsed: ParsedCertificate, *, at: datetime) -> None:
    if parsed.is_authority:
        raise AuthorityCertificateError("This is the certificate of an authority, not of a mailbox.")
    _check_kind(parsed.key)
    for oid in parsed.unknown_critical:
        raise UnknownCriticalExtensionError(f"The certificate has the critical extension {oid}, which mail programs do not know.", oid=oid)
    if not parsed.can_sign and not parsed.can_encrypt:
        raise KeyUsageError("The certificate's key usage allows neither signing nor encrypting mail.")
    if not parsed.addresses:
        raise NoAddressError("The certificate names no e-mail address.")
    if not parsed.not_before <= at < parsed.not_after:
        raise OutOfTimeError("The certificate is not valid at this time.")


def check_key(parsed: ParsedCertificate) -> None:
    """RSA of 2048 to 4096 bits with e = 65537, P-256 or P-384, and not known to be weak; raises an UnpublishableError."""
    _check_kind(parsed.key)
    _check_weakness(parsed.key)


def _check_kind(key: Key) -> None:
    if key.type == "EC":
        if key.curve not in CURVES:
            raise UnsupportedKeyError(f"The key is on the curve {key.curve}; mail programs can rely on P-256 and P-384.")
    elif key.type == "RSA":
        _check_rsa(key)
    else:
        raise UnsupportedKeyError(f"No mail program in wide use can work with {key.type} keys: use RSA of 2048 bits or more, P-256 or P-384.")


def _check_rsa(key: Key) -> None:
    if key.bits > MOST_RSA_BITS:
        raise UnsupportedKeyError(f"The RSA key has {key.bits} bits; at most {MOST_RSA_BITS} are taken.")
    if key.bits < LEAST_RSA_BITS:
        raise WeakKeyError(f"The RSA key has {key.bits} bits; at least {LEAST_RSA_BITS} are needed.")
    if key.exponent != RSA_EXPONENT:
        raise UnsupportedKeyError(f"The RSA key has the exponent {key.exponent if key.exponent < 2**32 else 'over 2^32'}; {RSA_EXPONENT} is needed.")


def _check_weakness(key: Key) -> None:
    """Only for a key of the right kind: a number of any length would take any time."""
    if key.type == "RSA" and is_weak(key.modulus, key.exponent):
        raise WeakKeyError(_WEAK)
