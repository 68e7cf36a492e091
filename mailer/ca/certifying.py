"""The signer's side of issuing: steps (5) to (9) of `mailer.issuing`. Whatever the request says, only the ledger and the directory count."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from django.db.models import Q

from directory.models import Organization, OrganizationStatus, SendingDomain
from directory.x509.certificate import parse_certificate
from directory.x509.errors import X509Error
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress
from mailer.ca.authorities import OpenAuthority, addresses, policy
from mailer.ca.errors import KeyRefusedError, NotIntendedError, RefusedError, StaleLedgerError
from mailer.ca.ledger import Step, move, refuse
from mailer.ca.lint import Finding, subscriber_findings
from mailer.ca.profiles import PROFILES, CertifiedKey, Profile, SubjectFacts, last_second, subscriber_builder, whole_second
from mailer.ca.signing import sign_certificate
from mailer.models import Issuance, IssuanceStatus

ACTOR = "system:signer"
# A clock of the worker may differ a little; a row that waited long is given new dates by the worker first.
MOST_AHEAD = timedelta(minutes=5)
MOST_BEHIND = timedelta(hours=24)
_log = logging.getLogger(__name__)

OpenByName = Callable[[str], OpenAuthority]


@dataclass(frozen=True)
class _Intent:
    """A ledger row that is ready to be signed, with nothing missing."""

    id: UUID
    organization: Organization
    identity_id: UUID | None
    profile: Profile
    authority_slug: str
    address: EmailAddress
    serial: int
    spki: bytes
    shard: int
    not_before: datetime
    not_after: datetime


def certify(issuance_id: UUID, *, open_by_name: OpenByName, at: datetime) -> bytes:
    """The certificate (DER) of one ledger row: signed now, or the one that was signed before.

    Raises NotIntendedError for what the ledger does not ask for; a RefusedError after closing the row with its reason.
    """
    row = Issuance.objects.select_related("organization").filter(pk=issuance_id).first()
    if row is None:
        raise NotIntendedError("the ledger has no such issuance")
    if row.status == IssuanceStatus.ISSUED and row.certificate:
        return bytes(row.certificate)
    if row.status == IssuanceStatus.REFUSED:
        raise RefusedError(row.reason)
    if row.status != IssuanceStatus.SIGNING:
        raise NotIntendedError(f"the issuance is {row.status}, not waiting for a signature")
    try:
        # (5) What the ledger intends is complete, and the validation behind it is still in date.
        intent = _read(row)
        _check_facts(intent, at=at)
        _check_key_is_new(intent)
        der = _sign(intent, open_by_name(intent.authority_slug), at=at)
    except RefusedError as error:
        _log.error("refused %s: %s", issuance_id, error)
        refuse(issuance_id, str(error), actor=ACTOR, at=at)
        raise
    return _store(intent, der, at=at)


def _read(row: Issuance) -> _Intent:
    profile = PROFILES.get(row.profile)
    if profile is None or row.organization is None or row.authority_id is None or row.serial is None:
        raise RefusedError("the ledger's row is not complete")
    if row.spki is None or row.not_before is None or row.not_after is None:
        raise RefusedError("the ledger's row is not complete")
    return _Intent(
        id=row.id,
        organization=row.organization,
        identity_id=row.identity_id,
        profile=profile,
        authority_slug=row.authority_id,
        address=_address(row.address),
        serial=int(row.serial, 16),
        spki=bytes(row.spki),
        shard=row.shard,
        not_before=row.not_before,
        not_after=row.not_after,
    )


def _address(text: str) -> EmailAddress:
    try:
        address = EmailAddress.parse(text, a_labels_only=True)
    except X509Error as error:
        raise RefusedError(f"the address cannot be certified: {error}") from error
    if not address.local.isascii():
        raise RefusedError("the address cannot be certified: an rfc822Name is ASCII (RFC 5280 section 4.2.1.6)")
    return address


def _check_facts(intent: _Intent, *, at: datetime) -> None:
    organization = intent.organization
    if organization.status != OrganizationStatus.ACTIVE or organization.valid_until <= at:
        raise RefusedError("the organisation is suspended, or its validation has ended")
    domain = intent.address.domain
    # Control of a domain counts for what is below it (S/MIME BR section 3.2.2.1).
    above = [domain.split(".", depth)[-1] for depth in range(domain.count("."))]
    if not SendingDomain.objects.filter(organization=organization, domain__in=above, valid_until__gt=at).exists():
        raise RefusedError("the organisation has no valid proof of control of the address's domain")
    if not at - MOST_BEHIND <= intent.not_before <= at + MOST_AHEAD:
        raise NotIntendedError("the row's dates are not of today")
    if intent.not_after > min(last_second(intent.not_before, intent.profile.life), whole_second(organization.valid_until)):
        raise RefusedError("the row asks for more time than the profile or the validation gives")


def _check_key_is_new(intent: _Intent) -> None:
    """A key belongs to one identity, and never comes back after it was compromised."""
    same_key = Issuance.objects.filter(spki_digest=hashlib.sha256(intent.spki).hexdigest()).exclude(pk=intent.id)
    foreign = ~Q(identity_id=intent.identity_id) | Q(identity_id=None)
    if same_key.filter(foreign | Q(revocation_reason="key_compromise")).exists():
        raise KeyRefusedError("the key was used before, by another identity or until it was compromised")


def _sign(intent: _Intent, authority: OpenAuthority, *, at: datetime) -> bytes:
    rules = policy()
    if authority.is_root:
        raise RefusedError("a root signs no subscriber's certificate")

    # (6) The key and the whole to-be-signed certificate are examined in a draft: by the directory's own gate, then by the linter.
    def examine(draft: bytes) -> Sequence[Finding]:
        try:
            check_publishable(parse_certificate(draft), address=intent.address, at=max(at, intent.not_before))
        except X509Error as error:
            raise KeyRefusedError(str(error)) from error
        return subscriber_findings(draft, intent.profile, asserts_reserved=rules.asserts_reserved)

    builder = subscriber_builder(
        intent.profile,
        issuer=authority.issuer,
        key=_load_key(intent.spki),
        serial=intent.serial,
        not_before=intent.not_before,
        not_after=intent.not_after,
        subject=SubjectFacts(intent.organization.legal_name, intent.organization.country, intent.organization.organization_identifier),
        address=intent.address.address,
        shard=intent.shard,
        addresses=addresses(),
        policy=rules,
    )
    # (7) Sign, and (8) compare the signed bytes with the examined ones.
    return sign_certificate(builder, authority.key, lint=examine).public_bytes(Encoding.DER)


def _load_key(spki: bytes) -> CertifiedKey:
    try:
        key = load_der_public_key(spki)
    except ValueError as error:
        raise KeyRefusedError("the key cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise KeyRefusedError("the key is neither RSA nor on a NIST curve")
    return key


def _store(intent: _Intent, der: bytes, *, at: datetime) -> bytes:
    """(9) Store before anybody sees it. Where another request was first, its certificate is the one that counts and ours is dropped."""
    try:
        move(
            intent.id,
            Step.ISSUE,
            actor=ACTOR,
            at=at,
            expect={"serial": f"{intent.serial:x}", "not_before": intent.not_before},
            facts={"certificate": der, "issued_at": at},
        )
    except StaleLedgerError:
        stored = Issuance.objects.filter(pk=intent.id, status=IssuanceStatus.ISSUED).values_list("certificate", flat=True).first()
        if stored is None:
            raise
        return bytes(stored)
    _log.info("issued %s: serial %x of %s", intent.id, intent.serial, intent.authority_slug)
    return der
