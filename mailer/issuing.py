"""Issuing: from an approval's intent to a certificate in the directory.

(0) An approval writes the intent in its own transaction: an identity that waits, and a ledger row INTENDED. Nothing is signed.
(1) A worker claims the row for a while.
(2) It makes the managed key, outside any transaction, and seals it under the workers' key-encryption key.
(3) In one transaction the identity gets its key, and the row its authority, serial number, key, dates and CRL shard: SIGNING.
(4) It asks the signer, by the row's id alone.
(5) The signer reads the row itself and checks that it is complete and that the validation behind it is in date,
(6) examines key and to-be-signed certificate in a draft that a throw-away key signed (gate, then linter),
(7) signs, (8) compares the signed bytes with the examined ones, and (9) stores the certificate: ISSUED. (`mailer.ca.certifying`)
(10) The worker publishes it in the directory and activates the identity, in one transaction; or has it wait, where it replaces somebody else's.

Whoever is killed between two steps leaves a row whose claim lapses, and the next worker goes on from the state it finds. A row is signed
under one serial number with fixed dates, and nothing leaves the signer that is not stored: a retry never issues twice.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from directory.errors import DirectoryError
from directory.models import Level, Organization, Source
from directory.x509.certificate import parse_certificate
from directory.x509.errors import X509Error
from directory.x509.names import EmailAddress
from mailer.activating import activate
from mailer.ca.authorities import issuing_authority
from mailer.ca.client import SignerClient
from mailer.ca.errors import (
    AuthorityError,
    BusyError,
    NameRefusedError,
    NoAuthorityError,
    RefusedError,
    SignerDroppedError,
    SignerUnavailableError,
    StaleLedgerError,
)
from mailer.ca.ledger import Step, move, refuse
from mailer.ca.names import organization_subject
from mailer.ca.profiles import PROFILES, V4_SIGNING, last_second, new_serial, whole_second
from mailer.ca.shards import shard_of
from mailer.custody import require_key, seal_secret
from mailer.identities import IdentityError
from mailer.models import Authority, Issuance, IssuanceStatus, LedgerEvent, Replacement, SigningIdentity
from mailer.replacing import publish_or_wait

ACTOR = "system:worker"
BATCH = 20
LEASE = timedelta(seconds=60)
# While the signer cannot be reached: soon enough for a start-up, seldom enough for a long outage.
RETRY_AFTER = timedelta(seconds=5)
# Older dates are renewed before the signer is asked; it refuses what is a day old.
DATES_GOOD_FOR = timedelta(hours=12)
LEAST_LIFE = timedelta(days=1)
RSA_BITS = 2048
_log = logging.getLogger(__name__)


class AlreadyIntendedError(AuthorityError):
    """The organisation has an identity for this address already."""

    code = "already_intended"


def key_context(identity_id: UUID) -> bytes:
    """What an identity's sealed key is bound to."""
    return b"identity:" + identity_id.bytes


def check_name(*, legal_name: str, country: str, organization_identifier: str) -> None:
    """Raise NameRefusedError, whose text is for people, where these could not stand in a certificate; a form may ask early."""
    organization_subject(legal_name, country, organization_identifier)


@transaction.atomic
def intend(*, organization: Organization, address: EmailAddress, actor: str, at: datetime, profile: str = V4_SIGNING.name) -> Issuance:
    """(0) Write down that a certificate is to be issued. Call it inside the approval's transaction.

    Raises NameRefusedError, AlreadyIntendedError.
    """
    wanted = PROFILES[profile]
    if not address.local.isascii():
        raise NameRefusedError("the part of a sending address before the @ has only ASCII letters, digits and signs")
    check_name(legal_name=organization.legal_name, country=organization.country, organization_identifier=organization.organization_identifier)
    try:
        with transaction.atomic():
            identity = SigningIdentity.objects.create(organization=organization, address=address.address, match=address.match, created_at=at)
    except IntegrityError as error:
        raise AlreadyIntendedError("the organisation has a signing identity for this address") from error
    issuance = Issuance.objects.create(
        organization=organization, identity=identity, profile=wanted.name, address=address.address, actor=actor, created_at=at
    )
    LedgerEvent.objects.create(at=at, actor=actor, event="intend", issuance=issuance)
    return issuance


class NotRefusedError(AuthorityError):
    """Only what was refused can be intended anew."""

    code = "not_refused"


@transaction.atomic
def intend_anew(*, issuance: Issuance, actor: str, at: datetime) -> Issuance:
    """Begin again where an issuance was refused, once its cause is gone: a new identity and a new row for the same address.

    Raises NotRefusedError, NameRefusedError, AlreadyIntendedError.
    """
    if issuance.status != IssuanceStatus.REFUSED or issuance.organization is None:
        raise NotRefusedError("this issuance was not refused")
    return intend(organization=issuance.organization, address=EmailAddress.parse(issuance.address), actor=actor, at=at, profile=issuance.profile)


def issue_pending(*, at: datetime) -> int:
    """Steps (1) to (10) for what waits; the number of certificates published. Raises MissingKeyError where this is not a worker."""
    kek = require_key("LETTERLOCK_SIGNING_KEK")
    published = 0
    claimed = _claim(at=at)
    with SignerClient(settings.LETTERLOCK_SIGNER_SOCKET) as signer:
        for number, issuance_id in enumerate(claimed):
            try:
                published += _advance(issuance_id, signer=signer, kek=kek, at=at)
            except SignerDroppedError as error:
                # The row keeps its claim: if it is what ends the connection, the others come first.
                _log.warning("issuance %s stays open: %s", issuance_id, error)
            except (SignerUnavailableError, BusyError, NoAuthorityError) as error:
                _log.warning("issuances wait: %s", error)
                Issuance.objects.filter(_open_rows(), id__in=claimed[number:]).update(lease_until=at + RETRY_AFTER)
                break
            except StaleLedgerError as error:
                _log.info("done by another worker: %s", error)
            except RefusedError as error:
                _close(issuance_id, error, at=at)
            except (AuthorityError, DirectoryError, IdentityError, X509Error):
                # An alarm. The row keeps its claim, so that it is tried again, and the others are not held up.
                _log.exception("issuance %s stays open", issuance_id)
    return published


def _open_rows() -> Q:
    return Q(status__in=[IssuanceStatus.INTENDED, IssuanceStatus.SIGNING]) | Q(status=IssuanceStatus.ISSUED, published_at=None)


def _claim(*, at: datetime) -> list[UUID]:
    """(1) Rows that nobody works on, leased."""
    free = Q(lease_until=None) | Q(lease_until__lte=at)
    with transaction.atomic():
        rows = Issuance.objects.select_for_update(skip_locked=True, of=("self",)).filter(_open_rows() & free).order_by("created_at")
        claimed = list(rows.values_list("id", flat=True)[:BATCH])
        Issuance.objects.filter(id__in=claimed).update(lease_until=at + LEASE)
    return claimed


def _advance(issuance_id: UUID, *, signer: SignerClient, kek: bytes, at: datetime) -> bool:
    """Take one row from the state it is in to the end; whether its certificate was published."""
    row = Issuance.objects.select_related("organization", "identity").get(pk=issuance_id)
    if row.status == IssuanceStatus.INTENDED:
        _assign(row, kek=kek, at=at)
    elif row.status == IssuanceStatus.SIGNING and (row.not_before is None or row.not_before + DATES_GOOD_FOR <= at):
        _redate(row, at=at)
    # (4) The signer answers with the same certificate however often it is asked.
    der = bytes(row.certificate) if row.status == IssuanceStatus.ISSUED and row.certificate else signer.issue(row.id)
    return _publish(row, der, at=at)


@dataclass(frozen=True)
class _ManagedKey:
    """A new key: sealed for the workers, and its public half. The private half is not kept in clear beyond its making."""

    sealed: bytes
    spki: bytes


def make_managed_key(identity_id: UUID, *, kek: bytes) -> _ManagedKey:
    """(2) RSA-2048, which every mail program verifies."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _ManagedKey(seal_secret(kek, private, context=key_context(identity_id)), spki)


def _assign(row: Issuance, *, kek: bytes, at: datetime) -> None:
    """(2) and (3)."""
    authority = issuing_authority()
    facts = _dates(row, at=at)
    identity_id = _identity_id(row)
    key = make_managed_key(identity_id, kek=kek)
    with transaction.atomic():
        position = _next_position(authority)
        facts |= {
            "authority": authority,
            "serial": f"{new_serial():x}",
            "shard": shard_of(position),
            "spki": key.spki,
            "spki_digest": hashlib.sha256(key.spki).hexdigest(),
        }
        move(row.id, Step.ASSIGN, actor=ACTOR, at=at, facts=facts)
        SigningIdentity.objects.filter(pk=identity_id).update(encrypted_key=key.sealed, chain=[bytes(authority.certificate)])


def _next_position(authority: Authority) -> int:
    """Counted up under the row's lock, so that no shard gets more certificates than it may list."""
    Authority.objects.filter(pk=authority.pk).update(assigned=F("assigned") + 1)
    return Authority.objects.values_list("assigned", flat=True).get(pk=authority.pk) - 1


def _redate(row: Issuance, *, at: datetime) -> None:
    """Dates and a serial number of today for a row that waited long; whoever still signs the old ones cannot store them."""
    facts = _dates(row, at=at) | {"serial": f"{new_serial():x}"}
    move(row.id, Step.REDATE, actor=ACTOR, at=at, expect={"serial": row.serial}, facts=facts)


def _dates(row: Issuance, *, at: datetime) -> dict[str, object]:
    organization = row.organization
    if organization is None:
        raise RefusedError("the row names no organisation")
    begin = whole_second(at)
    end = last_second(begin, PROFILES[row.profile].life, limit=organization.valid_until)
    if end - begin < LEAST_LIFE:
        raise RefusedError("the organisation's validation has ended")
    return {"not_before": begin, "not_after": end}


def _identity_id(row: Issuance) -> UUID:
    if row.identity_id is None:
        raise RefusedError("the row names no signing identity")
    return row.identity_id


def _publish(row: Issuance, der: bytes, *, at: datetime) -> bool:
    """(10). Where it replaces somebody else's live certificate, the claim is kept until `mailer.replacing` is to have published it: False."""
    with transaction.atomic():
        published = publish_or_wait(
            address=EmailAddress.parse(row.address),
            parsed=parse_certificate(der),
            level=Level.V4,
            source=Source.ISSUED,
            organization=row.organization,
            actor=ACTOR,
            at=at,
            issuance=row,
        )
        if isinstance(published, Replacement):
            Issuance.objects.filter(pk=row.id).update(lease_until=max(published.publish_at, at) + LEASE)
        else:
            activate(row, published, actor=ACTOR, at=at)
    return not isinstance(published, Replacement)


def _close(issuance_id: UUID, error: RefusedError, *, at: datetime) -> None:
    """Where the worker itself refused; the signer has closed what it refused."""
    _log.error("ALARM: issuance %s is refused: %s", issuance_id, error)
    try:
        refuse(issuance_id, str(error), actor=ACTOR, at=at)
    except StaleLedgerError:
        _log.info("issuance %s is closed already", issuance_id)
