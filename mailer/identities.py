"""Signing identities: one sending address of an organisation, its managed key and its certificate."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from directory.events import record
from directory.models import CertificateStatus, Organization, OrganizationStatus
from directory.x509.names import EmailAddress
from mailer.models import SigningIdentity, SigningIdentityStatus

TRANSITIONS: Mapping[SigningIdentityStatus, frozenset[SigningIdentityStatus]] = {
    SigningIdentityStatus.PENDING: frozenset({SigningIdentityStatus.ACTIVE, SigningIdentityStatus.RETIRED}),
    SigningIdentityStatus.ACTIVE: frozenset({SigningIdentityStatus.RETIRED}),
    SigningIdentityStatus.RETIRED: frozenset(),
}


class IdentityError(Exception):
    """The root of what can go wrong with a signing identity."""


class WrongIdentityStateError(IdentityError):
    """The identity was not, or no longer, in a state from which this is possible."""


class NoIdentityError(IdentityError):
    """The organisation has no identity that can sign for this address now; the text says why."""


def move(
    identity_id: UUID, to: SigningIdentityStatus, *, actor: str, at: datetime, reason: str = "", facts: Mapping[str, object] | None = None
) -> None:
    """Change the status by compare-and-set, together with `facts`, and leave an event. Raises WrongIdentityStateError."""
    begins = [before for before, possible in TRANSITIONS.items() if to in possible]
    with transaction.atomic():
        if SigningIdentity.objects.filter(pk=identity_id, status__in=begins).update(status=to, **(facts or {})) != 1:
            raise WrongIdentityStateError(f"the identity {identity_id} cannot become {to}")
        organization = Organization.objects.get(signing_identities=identity_id)
        record(actor=actor, verb=f"identity.{to}", subject=f"identity:{identity_id}", at=at, organization=organization, detail={"reason": reason})


def find_identity(*, organization: Organization, address: EmailAddress, at: datetime) -> SigningIdentity:
    """The identity that signs for `address` at this moment, its certificate with it. Raises NoIdentityError."""
    found = (
        SigningIdentity.objects.filter(organization=organization, match=address.match)
        .exclude(status=SigningIdentityStatus.RETIRED)
        .select_related("certificate", "organization")
        .defer("encrypted_key")
        .first()
    )
    if found is None:
        raise NoIdentityError("the organisation does not send from this address")
    if found.organization.status != OrganizationStatus.ACTIVE:
        raise NoIdentityError("the organisation is suspended")
    check_usable(found, at=at)
    return found


def check_usable(identity: SigningIdentity, *, at: datetime) -> None:
    """Raise NoIdentityError unless the identity's certificate can sign now."""
    certificate = identity.certificate
    if identity.status != SigningIdentityStatus.ACTIVE or certificate is None:
        raise NoIdentityError("the address has no signing certificate yet, or no longer")
    if certificate.status != CertificateStatus.PUBLISHED or not certificate.not_before <= at < certificate.not_after:
        raise NoIdentityError("the address's signing certificate is expired or revoked")
