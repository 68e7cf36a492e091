"""Certificates of unknown origin, parsed into plain facts or refused with a named error."""

import hashlib
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID, PublicKeyAlgorithmOID

from . import der
from .errors import (
    AddressError,
    CertificateTooLargeError,
    MalformedCertificateError,
    MalformedExtensionError,
    MalformedKeyError,
    MalformedSerialError,
)
from .names import EmailAddress

MOST_OCTETS = 16 * 1024
MOST_SERIAL_OCTETS = 20
MOST_NAME_LENGTH = 200
MOST_ISSUER_LENGTH = 500
MOST_ADDRESSES = 20
MOST_CAPABILITIES = 4096

_T = TypeVar("_T", bound=x509.ExtensionType)
_Values = Mapping[type[x509.ExtensionType], x509.ExtensionType]
_MOST_KEPT_NAMES, _MOST_KEPT_NAME = 256, 1024
_issuer_names: dict[bytes, str] = {}
_SMIME_CAPABILITIES = x509.ObjectIdentifier("1.2.840.113549.1.9.15")  # RFC 4262
_SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")  # RFC 9598
_UTF8_STRING = 0x0C
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_NAMED_KEYS = {
    PublicKeyAlgorithmOID.RSASSA_PSS: "RSA-PSS",
    PublicKeyAlgorithmOID.ED25519: "Ed25519",
    PublicKeyAlgorithmOID.ED448: "Ed448",
    PublicKeyAlgorithmOID.X25519: "X25519",
    PublicKeyAlgorithmOID.X448: "X448",
    PublicKeyAlgorithmOID.DSA: "DSA",
    x509.ObjectIdentifier("1.2.840.10046.2.1"): "DH",  # RFC 3279 section 2.3.3
}
# The standard extensions of RFC 5280 section 4.2: a program that verifies mail knows these; others may be there, but not critical.
_KNOWN_EXTENSIONS = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_DIRECTORY_ATTRIBUTES,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.SUBJECT_INFORMATION_ACCESS,
    }
)
_SIGNING_KEYS = frozenset({"RSA", "RSA-PSS", "EC", "Ed25519", "Ed448", "DSA"})
# What cryptography raises on hostile input besides its own classes.
_PARSE_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: `type` is RSA, EC, or the name of one that mail programs cannot use; `exponent` only for RSA, `curve` only for EC."""

    type: str
    bits: int = 0
    curve: str = ""
    exponent: int = 0
    modulus: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the subject names; None where it does not say."""

    name: str | None
    organization: str | None
    organization_identifier: str | None
    country: str | None


@dataclass(frozen=True)
class ParsedCertificate:
    """The facts of one certificate. `addresses` are those that fit this directory's rule, best source first, each once.

    `smime_capabilities` is the extension's value, which nobody has parsed yet; None where there is none, or one of more than 4096 octets.
    """

    der: bytes
    issuer_and_serial: bytes
    spki: bytes
    serial: str
    issuer: str
    identity: Identity
    addresses: tuple[EmailAddress, ...]
    key: Key
    can_sign: bool
    can_encrypt: bool
    is_authority: bool
    for_mail: bool
    policies: tuple[str, ...]
    unknown_critical: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    smime_capabilities: bytes | None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the DER in lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()


def parse_certificate(data: bytes) -> ParsedCertificate:
    """Parse one DER certificate (RFC 5280) of at most 16 KB; raises a CertificateError.

    (1) cut the exact issuer, serial and key out of the DER, (2) let cryptography check the whole, (3) read extensions, names and key.
    """
    with warnings.catch_warnings():
        # cryptography warns of odd names and numbers that it reads all the same: neither a fault of ours nor of use in a log.
        warnings.simplefilter("ignore")
        return _parse(data)


def _parse(data: bytes) -> ParsedCertificate:
    # (1) the exact bytes
    if len(data) > MOST_OCTETS:
        raise CertificateTooLargeError(f"A certificate has at most {MOST_OCTETS} octets.")
    parts = _cut(data)
    # (2) the whole
    try:
        certificate = x509.load_der_x509_certificate(data)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        subject, issuer = certificate.subject, _issuer_name(certificate, data[parts.issuer.start : parts.issuer.end])
    except _PARSE_ERRORS as error:
        raise MalformedCertificateError("This is not a certificate that follows RFC 5280.") from error
    # (3) what it says
    extensions = _read_extensions(certificate)
    values = {type(extension.value): extension.value for extension in extensions}
    usages = _Usages.read(extensions, values)
    key = _read_key(certificate)
    return ParsedCertificate(
        der=data,
        issuer_and_serial=der.sequence(data[parts.issuer.start : parts.issuer.end] + data[parts.serial.start : parts.serial.end]),
        spki=data[parts.spki.start : parts.spki.end],
        serial=data[parts.serial.content : parts.serial.end].hex(),
        issuer=issuer,
        identity=_read_identity(subject),
        addresses=_read_addresses(values, subject),
        key=key,
        can_sign=usages.for_mail and usages.signs and key.type in _SIGNING_KEYS,
        can_encrypt=usages.for_mail and usages.encrypts(key),
        is_authority=usages.is_authority,
        for_mail=usages.for_mail,
        policies=usages.policies,
        unknown_critical=usages.unknown_critical,
        not_before=not_before,
        not_after=not_after,
        smime_capabilities=_read_capabilities(extensions),
    )


def clean(text: str, most: int) -> str:
    """Text out of a certificate, safe to store and show: no control, format or surrogate characters, at most `most` long."""
    text = text[:most]
    if text.isprintable():  # as nearly all is; then it has nothing of category C
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in text)


@dataclass(frozen=True, slots=True)
class _Parts:
    serial: der.Element
    issuer: der.Element
    spki: der.Element


def _cut(data: bytes) -> _Parts:
    whole = der.element(data, 0, len(data))
    if whole.tag != der.SEQUENCE or whole.end != len(data):
        raise MalformedCertificateError("This is not one DER certificate.")
    fields = der.children(data, der.element(data, whole.content, whole.end))
    if fields and fields[0].tag == der.EXPLICIT_0:  # the version
        fields = fields[1:]
    try:
        serial, _signature, issuer, _validity, _subject, spki = fields[:6]
    except ValueError as error:
        raise MalformedCertificateError("The certificate lacks a part that RFC 5280 wants.") from error
    octets = data[serial.content : serial.end]
    if serial.tag != der.INTEGER or not octets or len(octets) > MOST_SERIAL_OCTETS or int.from_bytes(octets, "big", signed=True) <= 0:
        raise MalformedSerialError(f"The serial number is not a positive integer of at most {MOST_SERIAL_OCTETS} octets.")
    return _Parts(serial, issuer, spki)


def _read_extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except _PARSE_ERRORS as error:
        raise MalformedExtensionError("The certificate has an extension that cannot be read, or has one twice.") from error


def _issuer_name(certificate: x509.Certificate, encoded: bytes) -> str:
    """RFC 4514's text of the issuer, whose `encoded` name this is; most certificates are of few issuers."""
    known = _issuer_names.get(encoded)
    if known is None:
        known = clean(certificate.issuer.rfc4514_string(), MOST_ISSUER_LENGTH)
        if len(encoded) <= _MOST_KEPT_NAME:
            if len(_issuer_names) >= _MOST_KEPT_NAMES:
                _issuer_names.clear()
            _issuer_names[encoded] = known
    return known


@dataclass(frozen=True, slots=True)
class _Usages:
    """Key usage, extended key usage and basic constraints (RFC 5280 section 4.2.1). Absent means every use."""

    signs: bool
    enciphers: bool
    agrees: bool
    for_mail: bool
    is_authority: bool
    policies: tuple[str, ...]
    unknown_critical: tuple[str, ...]

    @classmethod
    def read(cls, extensions: x509.Extensions, values: _Values) -> "_Usages":
        usage, extended = _value(values, x509.KeyUsage), _value(values, x509.ExtendedKeyUsage)
        constraints, policies = _value(values, x509.BasicConstraints), _value(values, x509.CertificatePolicies)
        return cls(
            signs=usage is None or usage.digital_signature or usage.content_commitment,
            enciphers=usage is None or usage.key_encipherment,
            # A decipherOnly key may not take part in encrypting (RFC 5280 section 4.2.1.3).
            agrees=usage is None or (usage.key_agreement and not usage.decipher_only),
            for_mail=extended is None or ExtendedKeyUsageOID.EMAIL_PROTECTION in extended or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended,
            is_authority=constraints is not None and constraints.ca,
            policies=() if policies is None else tuple(policy.policy_identifier.dotted_string for policy in policies),
            unknown_critical=tuple(
                extension.oid.dotted_string for extension in extensions if extension.critical and extension.oid not in _KNOWN_EXTENSIONS
            ),
        )

    def encrypts(self, key: Key) -> bool:
        if key.type == "RSA":
            return self.enciphers
        return key.type in {"EC", "X25519", "X448"} and self.agrees


def _value(values: _Values, kind: type[_T]) -> _T | None:
    value = values.get(kind)
    return value if isinstance(value, kind) else None


def _read_key(certificate: x509.Certificate) -> Key:
    try:
        algorithm = certificate.public_key_algorithm_oid
        if algorithm in _NAMED_KEYS:
            return Key(_NAMED_KEYS[algorithm])
        if algorithm not in {PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5, PublicKeyAlgorithmOID.EC_PUBLIC_KEY}:
            return Key(algorithm.dotted_string)
        key = certificate.public_key()
    except UnsupportedAlgorithm:
        return Key("EC", curve="unknown")
    except _PARSE_ERRORS as error:
        raise MalformedKeyError("The public key cannot be read.") from error
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return Key("RSA", bits=key.key_size, exponent=numbers.e, modulus=numbers.n)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return Key("EC", bits=key.key_size, curve=_CURVES.get(key.curve.name, key.curve.name))
    return Key(algorithm.dotted_string)


def _read_capabilities(extensions: x509.Extensions) -> bytes | None:
    """What the holder's mail program can open, as the certificate tells it (RFC 4262); whoever seals judges it."""
    for extension in extensions:
        if extension.oid == _SMIME_CAPABILITIES:
            value = extension.value
            return value.value if isinstance(value, x509.UnrecognizedExtension) and len(value.value) <= MOST_CAPABILITIES else None
    return None


def _read_identity(subject: x509.Name) -> Identity:
    texts = _first_texts(subject)
    organization = texts.get(NameOID.ORGANIZATION_NAME)
    names = [texts[oid] for oid in (NameOID.GIVEN_NAME, NameOID.SURNAME) if oid in texts]
    name = " ".join(names) or texts.get(NameOID.PSEUDONYM) or texts.get(NameOID.COMMON_NAME)
    # S/MIME BR 7.1.4.2.2: a common name may repeat the address or the organisation, and then names nobody.
    if name is not None and ("@" in name or name == organization):
        name = None
    return Identity(
        name=clean(name, MOST_NAME_LENGTH) if name else None,
        organization=organization,
        organization_identifier=texts.get(NameOID.ORGANIZATION_IDENTIFIER),
        country=texts.get(NameOID.COUNTRY_NAME),
    )


def _first_texts(subject: x509.Name) -> dict[x509.ObjectIdentifier, str]:
    """The first value of each attribute that says anything."""
    texts: dict[x509.ObjectIdentifier, str] = {}
    for attribute in subject:
        if attribute.oid not in texts and isinstance(attribute.value, str) and attribute.value.strip():
            texts[attribute.oid] = clean(attribute.value.strip(), MOST_NAME_LENGTH)
    return texts


def _read_addresses(values: _Values, subject: x509.Name) -> tuple[EmailAddress, ...]:
    """From rfc822Name, then SmtpUTF8Mailbox, then the subject's emailAddress; never from the common name."""
    found: dict[str, EmailAddress] = {}
    for text in _address_texts(values, subject):
        try:
            address = EmailAddress.parse(text, a_labels_only=True)
        except AddressError:
            continue  # one odd name does not spoil the others
        if len(found) < MOST_ADDRESSES:
            found.setdefault(address.match, address)
    return tuple(found.values())


def _address_texts(values: _Values, subject: x509.Name) -> Iterator[str]:
    try:
        names = _value(values, x509.SubjectAlternativeName)
        if names is not None:
            yield from names.get_values_for_type(x509.RFC822Name)
            for other in names.get_values_for_type(x509.OtherName):
                if other.type_id == _SMTP_UTF8_MAILBOX:
                    yield _utf8_string(other.value)
        for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            if isinstance(attribute.value, str):
                yield attribute.value
    except _PARSE_ERRORS as error:
        raise MalformedExtensionError("The certificate's names cannot be read.") from error


def _utf8_string(value: bytes) -> str:
    """The text of a DER UTF8String; a UnicodeDecodeError is a ValueError."""
    whole = der.element(value, 0, len(value))
    if whole.tag != _UTF8_STRING or whole.end != len(value):
        raise MalformedExtensionError("An SmtpUTF8Mailbox is not one UTF8String.")
    return value[whole.content : whole.end].decode("utf-8")
