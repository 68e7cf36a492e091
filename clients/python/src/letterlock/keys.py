"""The organisation's own key, with its certificate and chain, out of files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key, pkcs12

from ._core.directory.x509.certificate import ParsedCertificate, parse_certificate
from ._core.directory.x509.errors import X509Error
from ._core.directory.x509.names import EmailAddress
from ._core.mailer.smime.errors import SmimeError
from ._core.mailer.smime.open import Opener
from ._core.mailer.smime.sign import Signer, SigningKey
from .errors import KeyFileError

MOST_OCTETS = 1024 * 1024
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True)
class OwnKey:
    """A private key that signs, its certificate, and the intermediates in DER. It shows nothing of the key."""

    certificate: ParsedCertificate
    chain: tuple[bytes, ...] = field(repr=False)
    signer: Signer = field(repr=False)
    opener: Opener = field(repr=False)

    def check(self, sender: EmailAddress, *, at: datetime) -> None:
        """Raises KeyFileError unless mail from `sender` that this signs at the moment `at` will verify."""
        if sender.match not in {address.match for address in self.certificate.addresses}:
            raise KeyFileError(f"the signing certificate does not name {sender.address}")
        if not self.certificate.can_sign:
            raise KeyFileError("the signing certificate is not for signing mail")
        if not self.certificate.not_before <= at < self.certificate.not_after:
            raise KeyFileError("the signing certificate is not valid at this time")


def load_key(
    key: str | Path, certificate: str | Path | None = None, chain: str | Path | None = None, *, passphrase: str | bytes | None = None
) -> OwnKey:
    """A PKCS#8 key (PEM or DER, perhaps encrypted) with the files of its certificate and chain, or all in one PKCS#12 file.

    Raises KeyFileError, which never shows what was in a file.
    """
    secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
    octets = _read(key)
    if certificate is None:
        private, own, others = _open_pkcs12(octets, secret)
        others += load_certificates(chain) if chain is not None else []
    else:
        private = _open_key(octets, secret)
        own, *others = load_certificates(certificate)
        others += load_certificates(chain) if chain is not None else []
    return own_key(private, own, others)


def own_key(private: object, certificate: bytes, chain: Sequence[bytes] = ()) -> OwnKey:
    """From a key of the `cryptography` package and certificates in DER; a root in the chain is left out. Raises KeyFileError."""
    try:
        parsed = parse_certificate(certificate)
        between = tuple(found for found in dict.fromkeys(chain) if found != certificate and not _is_root(found))
        signing = cast("SigningKey", private)  # Signer refuses every other kind
        return OwnKey(parsed, between, Signer(signing, certificate, between), Opener(signing, certificate))
    except (SmimeError, X509Error) as error:
        raise KeyFileError(f"the key and its certificate cannot be used: {error}") from error
    except AttributeError as error:
        raise KeyFileError("the key is neither RSA nor on P-256 or P-384") from error


def load_certificates(file: str | Path) -> list[bytes]:
    """The certificates of a PEM file, or the one of a DER file, as DER. Raises KeyFileError."""
    octets = _read(file)
    try:
        found = x509.load_pem_x509_certificates(octets) if _is_pem(octets) else [x509.load_der_x509_certificate(octets)]
    except ValueError as error:
        raise KeyFileError(f"{file} holds no certificate that can be read") from error
    return [certificate.public_bytes(Encoding.DER) for certificate in found]


def load_crls(file: str | Path) -> list[bytes]:
    """The CRL of a file in PEM or DER, as DER. Raises KeyFileError."""
    octets = _read(file)
    try:
        crl = x509.load_pem_x509_crl(octets) if _is_pem(octets) else x509.load_der_x509_crl(octets)
    except ValueError as error:
        raise KeyFileError(f"{file} holds no CRL that can be read") from error
    return [crl.public_bytes(Encoding.DER)]


def _read(file: str | Path) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            octets = stream.read(MOST_OCTETS + 1)
    except OSError as error:
        raise KeyFileError(f"{file} cannot be read: {error.strerror}") from error
    if len(octets) > MOST_OCTETS:
        raise KeyFileError(f"{file} is larger than {MOST_OCTETS} octets")
    return octets


def _open_key(octets: bytes, passphrase: bytes | None) -> object:
    load = load_pem_private_key if _is_pem(octets) else load_der_private_key
    try:
        return load(octets, passphrase)
    except _UNREADABLE:
        # Without the cause: its text may quote the file.
        raise KeyFileError("the private key cannot be read, or the passphrase is missing or wrong") from None


def _open_pkcs12(octets: bytes, passphrase: bytes | None) -> tuple[object, bytes, list[bytes]]:
    try:
        private, certificate, others = pkcs12.load_key_and_certificates(octets, passphrase)
    except _UNREADABLE:
        raise KeyFileError("the PKCS#12 file cannot be read, or the passphrase is missing or wrong") from None
    if private is None or certificate is None:
        raise KeyFileError("the PKCS#12 file lacks the key or its certificate")
    return private, certificate.public_bytes(Encoding.DER), [other.public_bytes(Encoding.DER) for other in others]


def _is_pem(octets: bytes) -> bool:
    return b"-----BEGIN " in octets


def _is_root(certificate: bytes) -> bool:
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise KeyFileError("the chain holds something that is not a certificate") from error
    return found.subject == found.issuer
