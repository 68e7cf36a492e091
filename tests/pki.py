"""A tiny certificate authority for tests: a root, an S/MIME CA under it, and leaves for any address, key and usage.

Keys are made once a session for each kind; certificates differ in serial number and address.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SMIME_CAPABILITIES = x509.ObjectIdentifier("1.2.840.113549.1.9.15")
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Usage(StrEnum):
    SIGN = "sign"
    ENCRYPT = "encrypt"
    DUAL = "dual"


def make_key(kind: str) -> PrivateKey:
    """A new key: `rsa1024`, `rsa2048`, `rsa3072`, `p256`, `p384` or `p521`."""
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


@cache
def key_of(kind: str, owner: str = "") -> PrivateKey:
    """A key of this kind that is the same for the whole session; another `owner` has another key."""
    del owner
    return make_key(kind)


def key_usage(usage: Usage, key: PrivateKey) -> x509.KeyUsage:
    encrypts, is_rsa = usage is not Usage.SIGN, isinstance(key, rsa.RSAPrivateKey)
    return x509.KeyUsage(
        digital_signature=usage is not Usage.ENCRYPT,
        content_commitment=False,
        key_encipherment=encrypts and is_rsa,
        data_encipherment=False,
        key_agreement=encrypts and not is_rsa,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass(frozen=True)
class Holder:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Authority:
    """A root and one S/MIME CA; both EC, since the leaves are what the tests vary."""

    name: str = "Test"
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        self.root = self._certify(self.name + " Root", ec.generate_private_key(ec.SECP256R1()), issuer=None, path_length=1)
        self.issuer = self._certify(self.name + " S/MIME CA", ec.generate_private_key(ec.SECP256R1()), issuer=self.root, path_length=0)

    def _certify(self, common_name: str, key: PrivateKey, *, issuer: Holder | None, path_length: int) -> Holder:
        signing_key = issuer.key if issuer else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(issuer.certificate.subject if issuer else _name(common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - timedelta(days=400))
            .not_valid_after(self.at + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if issuer:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        return Holder(builder.sign(signing_key, hashes.SHA256()), key)

    def leaf(
        self,
        email: str,
        kind: str = "p256",
        usage: Usage = Usage.DUAL,
        *,
        key: PrivateKey | None = None,
        days: tuple[int, int] = (-1, 365),
        organization: str | None = None,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        capabilities: bytes | None = None,
    ) -> Holder:
        """An end-entity certificate for `email`; `days` are the ends of its validity, counted from the authority's `at`.

        `capabilities` is the DER of SMIMECapabilities for an extension of that name (RFC 4262).
        """
        key = key or key_of(kind, email)
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else [])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at + timedelta(days=days[0]))
            .not_valid_after(self.at + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(usage, key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_mailbox(email)]), critical=not organization)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()), critical=False)
        )
        if capabilities is not None:
            builder = builder.add_extension(x509.UnrecognizedExtension(_SMIME_CAPABILITIES, capabilities), critical=False)
        return Holder(builder.sign(self.issuer.key, hashes.SHA256()), key)

    @property
    def roots_pem(self) -> bytes:
        return self.root.pem

    @property
    def chain(self) -> list[bytes]:
        """The intermediates in DER."""
        return [self.issuer.der]


def _mailbox(email: str) -> x509.GeneralName:
    """An rfc822Name, or a SmtpUTF8Mailbox (RFC 9598) where the local part is beyond ASCII."""
    if email.isascii():
        return x509.RFC822Name(email)
    octets = email.encode()
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), bytes((0x0C, len(octets))) + octets)
