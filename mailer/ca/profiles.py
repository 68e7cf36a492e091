"""Certificate profiles as code: the S/MIME baseline requirements' strict generation over RFC 5280. Free of Django.

A builder here is a complete to-be-signed certificate; who signs it, and after which checks, is decided in `mailer.ca.signing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import randbits

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from mailer.ca.names import organization_subject

CertifiedKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
AuthorityKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ROOT_LIFE = timedelta(days=15 * 365)
AUTHORITY_LIFE = timedelta(days=8 * 365)
REVOCATION_LIST_LIFE = timedelta(days=7)
ROOT_REVOCATION_LIST_LIFE = timedelta(days=364)
# RFC 5280 section 4.1.2.5: notAfter is the last second that counts.
_LAST_SECOND = timedelta(seconds=1)
_SERIAL_RANDOM_BITS = 128


@dataclass(frozen=True)
class Profile:
    """What a subscriber's certificate says. `level` and `generation` are the linter's words too."""

    name: str
    level: str
    generation: str
    reserved_policy: str
    own_policy: int
    life: timedelta

    def policies(self, policy: "PolicyArc") -> x509.CertificatePolicies:
        return policy.extension([self.reserved_policy], [self.own_policy])


V4_SIGNING = Profile(
    name="v4-signing",
    level="organization",
    generation="strict",
    reserved_policy="2.23.140.1.5.2.3",
    own_policy=4,
    life=timedelta(days=824),
)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (V4_SIGNING,)}
# What the S/MIME CA may issue under: mailbox-, organisation- and sponsor-validated, strict, and our own three.
_RESERVED_POLICIES = ("2.23.140.1.5.1.3", "2.23.140.1.5.2.3", "2.23.140.1.5.3.3")
_OWN_POLICIES = (1, 3, 4)


@dataclass(frozen=True)
class PolicyArc:
    """Our own arc, and whether the reserved identifiers, which claim an audited CA, are asserted beside it."""

    arc: str
    asserts_reserved: bool

    def extension(self, reserved: list[str], own: list[int]) -> x509.CertificatePolicies:
        names = [*(reserved if self.asserts_reserved else ()), *(f"{self.arc}.{number}" for number in own)]
        return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(name), None) for name in names])


@dataclass(frozen=True)
class Addresses:
    """Where relying parties fetch CRLs and issuers' certificates: http alone, since https would need what it checks."""

    base: str

    def revocation_list(self, slug: str, shard: int) -> str:
        return f"{self.base}/pki/{slug}/{shard}.crl"

    def issuer(self, slug: str) -> str:
        return f"{self.base}/pki/{slug}.crt"


@dataclass(frozen=True)
class Issuer:
    """The CA that will sign: the short name in its addresses, and its certificate."""

    slug: str
    certificate: x509.Certificate


@dataclass(frozen=True)
class SubjectFacts:
    """What was validated about an organisation, as it goes into a subject."""

    legal_name: str
    country: str
    organization_identifier: str


def new_serial() -> int:
    """128 random bits under a leading 1, so that every serial number has 17 octets (RFC 5280 section 4.1.2.2 allows 20)."""
    return (1 << _SERIAL_RANDOM_BITS) | randbits(_SERIAL_RANDOM_BITS)


def whole_second(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def last_second(begin: datetime, life: timedelta, *, limit: datetime | None = None) -> datetime:
    """notAfter of something that begins at `begin` and lives for `life`, cut to `limit`."""
    end = begin + life - _LAST_SECOND
    return end if limit is None else min(end, whole_second(limit))


def algorithm_for(key: CertifiedKey | AuthorityKey) -> hashes.SHA256 | hashes.SHA384:
    """SHA-384 where a P-384 key signs, else SHA-256."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return hashes.SHA384()
    return hashes.SHA256()


def subscriber_builder(
    profile: Profile,
    *,
    issuer: Issuer,
    key: CertifiedKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
    subject: SubjectFacts,
    address: str,
    shard: int,
    addresses: Addresses,
    policy: PolicyArc,
) -> x509.CertificateBuilder:
    """A subscriber's certificate, ready to sign. `address` is ASCII with an A-label domain. Raises NameRefusedError."""
    return (
        _begin(organization_subject(subject.legal_name, subject.country, subject.organization_identifier), issuer.certificate.subject, key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(profile.policies(policy), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        .add_extension(_key_identifier_of(issuer.certificate), critical=False)
        .add_extension(_fetched_from(addresses.revocation_list(issuer.slug, shard)), critical=False)
        .add_extension(_issued_by(addresses.issuer(issuer.slug)), critical=False)
    )


def root_builder(subject: x509.Name, *, key: CertifiedKey, serial: int, not_before: datetime) -> x509.CertificateBuilder:
    return (
        _begin(subject, subject, key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(last_second(not_before, ROOT_LIFE))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(x509.SubjectKeyIdentifier.from_public_key(key)), critical=False)
    )


def authority_builder(
    subject: x509.Name,
    *,
    issuer: Issuer,
    key: CertifiedKey,
    serial: int,
    not_before: datetime,
    addresses: Addresses,
    policy: PolicyArc,
) -> x509.CertificateBuilder:
    """The S/MIME CA under the root: subscribers only (path length 0), e-mail only."""
    return (
        _begin(subject, issuer.certificate.subject, key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(last_second(not_before, AUTHORITY_LIFE))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(policy.extension(list(_RESERVED_POLICIES), list(_OWN_POLICIES)), critical=False)
        .add_extension(_key_identifier_of(issuer.certificate), critical=False)
        .add_extension(_fetched_from(addresses.revocation_list(issuer.slug, 0)), critical=False)
        .add_extension(_issued_by(addresses.issuer(issuer.slug)), critical=False)
    )


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL. `reason` None leaves the extension out (RFC 5280 section 5.3.1)."""

    serial: int
    at: datetime
    reason: x509.ReasonFlags | None


def revocation_list_builder(
    issuer: Issuer, *, number: int, shard: int | None, revoked: list[Revoked], this_update: datetime, life: timedelta, addresses: Addresses
) -> x509.CertificateRevocationListBuilder:
    """A CRL (RFC 5280 section 5). A shard names its own address in the critical issuingDistributionPoint; `shard` None is the CA's whole list."""
    entries = []
    for entry in revoked:
        line = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(whole_second(entry.at))
        if entry.reason is not None:
            line = line.add_extension(x509.CRLReason(entry.reason), critical=False)
        entries.append(line.build())
    # Given as a whole: adding one by one copies the list each time.
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject,
        last_update=this_update,
        next_update=last_second(this_update, life),
        revoked_certificates=entries,
    )
    complete = builder.add_extension(_key_identifier_of(issuer.certificate), critical=False).add_extension(x509.CRLNumber(number), critical=False)
    if shard is None:
        return complete
    return complete.add_extension(
        x509.IssuingDistributionPoint(
            full_name=[x509.UniformResourceIdentifier(addresses.revocation_list(issuer.slug, shard))],
            relative_name=None,
            only_contains_user_certs=True,
            only_contains_ca_certs=False,
            only_some_reasons=None,
            indirect_crl=False,
            only_contains_attribute_certs=False,
        ),
        critical=True,
    )


def _begin(subject: x509.Name, issuer: x509.Name, key: CertifiedKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _fetched_from(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def _issued_by(url: str) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))])
