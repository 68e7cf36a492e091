"""Another organisation's certificate authority, with policies, CRLs, and addresses in its certificates at which nobody must ask."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from directory.authorities import add_authority, add_source, keep_list
from directory.models import AuthorityKind, AuthoritySource
from directory.x509.certificate import parse_certificate
from tests.pki import Holder, PrivateKey, Usage, key_of, key_usage

OPERATOR = "operator:test"
STRICT = {"V1": "2.23.140.1.5.1.3", "V4": "2.23.140.1.5.2.3", "V3": "2.23.140.1.5.3.3", "V2": "2.23.140.1.5.4.3"}
_CERTIFIES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
    key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


def policies(*oids: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids])


class ForeignAuthority:
    """A root and an issuer under it that may certify by `allowed` policies; `asks_at` is written into its certificates as AIA, OCSP and CRLDP."""

    def __init__(self, at: datetime, *, name: str = "Elsewhere", allowed: Sequence[str] = tuple(STRICT.values()), asks_at: str = "") -> None:
        self.at, self.asks_at = at.replace(microsecond=0), asks_at
        self.root = self._certify(self._name(f"{name} Root"), None, policies=())
        self.issuer = self._certify(self._name(f"{name} S/MIME CA"), self.root, policies=allowed)

    def leaf(
        self,
        email: str,
        *oids: str,
        usage: Usage = Usage.DUAL,
        subject: Sequence[tuple[x509.ObjectIdentifier, str]] = (),
        age: timedelta = timedelta(days=1),
        days: int = 365,
    ) -> Holder:
        key = key_of("p256", email)
        builder = (
            self._builder(x509.Name([x509.NameAttribute(*pair) for pair in subject]), self.issuer, key, age=age, days=days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(usage, key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=not subject)
        )
        return Holder(self._finished(builder, oids).sign(self.issuer.key, hashes.SHA256()), key)

    def self_signed(self, email: str, *oids: str) -> Holder:
        """What anybody can make: a certificate by its own key that says what it likes."""
        key = key_of("p256", "self " + email)
        builder = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Muster Bank AG")]), None, key, age=timedelta(days=1), days=300)
            .add_extension(key_usage(Usage.DUAL, key), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
        )
        return Holder(self._finished(builder, oids).sign(key, hashes.SHA256()), key)

    def crl(
        self,
        revoked: Sequence[Holder] = (),
        *,
        issuer: Holder | None = None,
        number: int = 1,
        reason: x509.ReasonFlags | None = None,
        age: timedelta = timedelta(hours=2),
        days: int = 7,
        delta: bool = False,
    ) -> bytes:
        """A list of the issuer's, or of another's, on which the holders have stood for an hour."""
        signer = issuer or self.issuer
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(signer.certificate.subject)
            .last_update(self.at - age)
            .next_update(self.at + timedelta(days=days))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for holder in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(self.at - timedelta(hours=1))
            builder = builder.add_revoked_certificate((entry.add_extension(x509.CRLReason(reason), critical=False) if reason else entry).build())
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)

    @property
    def chain(self) -> list[bytes]:
        return [self.issuer.der]

    def _certify(self, name: x509.Name, issuer: Holder | None, *, policies: Sequence[str]) -> Holder:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(name, issuer, key, age=timedelta(days=400), days=3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_CERTIFIES, critical=True)
        )
        return Holder(self._finished(builder, policies).sign(issuer.key if issuer else key, hashes.SHA256()), key)

    def _builder(self, name: x509.Name, issuer: Holder | None, key: PrivateKey, *, age: timedelta, days: int) -> x509.CertificateBuilder:
        signer = issuer.key if issuer else key
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - age)
            .not_valid_after(self.at + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )

    def _finished(self, builder: x509.CertificateBuilder, oids: Sequence[str]) -> x509.CertificateBuilder:
        if oids:
            builder = builder.add_extension(policies(*oids), critical=False)
        if not self.asks_at:
            return builder
        place = x509.UniformResourceIdentifier(self.asks_at)
        point = x509.DistributionPoint(full_name=[place], relative_name=None, reasons=None, crl_issuer=None)
        ways = [x509.AccessDescription(way, place) for way in (AuthorityInformationAccessOID.CA_ISSUERS, AuthorityInformationAccessOID.OCSP)]
        return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False).add_extension(
            x509.AuthorityInformationAccess(ways), critical=False
        )

    @staticmethod
    def _name(common_name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def trust(holder: Holder, *, at: datetime, kind: AuthorityKind = AuthorityKind.ROOT, distrust_after: datetime | None = None) -> str:
    """Put an authority into the trust store; its fingerprint."""
    parsed = parse_certificate(holder.der)
    subject = holder.certificate.subject.rfc4514_string()
    add_authority(
        fingerprint=parsed.fingerprint,
        der=holder.der,
        subject=subject,
        kind=kind,
        source=AuthoritySource.ADDED,
        distrust_after=distrust_after,
        actor=OPERATOR,
        at=at,
    )
    return parsed.fingerprint


def keep(*crls: bytes, at: datetime) -> None:
    """Have these lists kept as if they had been fetched."""
    for number, crl in enumerate(crls):
        source = add_source(url=f"http://crl.example.org/{number}.crl", actor=OPERATOR, at=at)
        keep_list(source=source, crl=crl, number=1, actor=OPERATOR, at=at)
