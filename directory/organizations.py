"""Validated organisations: created by an approval, suspended and reinstated by operators."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from directory import tokens
from directory.errors import DuplicateOrganizationError, IllegalMoveError
from directory.events import Verb, record
from directory.models import Organization, OrganizationStatus, SendingDomain
from directory.x509.names import parse_domain

# How long evidence counts before it must be gathered anew (S/MIME BR sections 4.2.1 and 3.2.2).
ORGANIZATION_VALIDITY = timedelta(days=825)
DOMAIN_VALIDITY = timedelta(days=398)

TRANSITIONS: Mapping[OrganizationStatus, Mapping[OrganizationStatus, Verb]] = {
    OrganizationStatus.ACTIVE: {OrganizationStatus.SUSPENDED: Verb.ORGANIZATION_SUSPENDED},
    OrganizationStatus.SUSPENDED: {OrganizationStatus.ACTIVE: Verb.ORGANIZATION_REINSTATED},
}


@transaction.atomic
def create_organization(
    *,
    legal_name: str,
    country: str,
    organization_identifier: str,
    address: str,
    website: str,
    time_zone: str,
    domain: str,
    actor: str,
    at: datetime,
) -> Organization:
    """Write down what was validated, with the domain whose control was proven.

    Raises DuplicateOrganizationError, or MalformedDomainError.
    """
    proven = parse_domain(domain)
    try:
        with transaction.atomic():
            organization = Organization.objects.create(
                legal_name=legal_name,
                country=country,
                organization_identifier=organization_identifier,
                address=address,
                website=website,
                time_zone=time_zone,
                validated_at=at,
                valid_until=at + ORGANIZATION_VALIDITY,
            )
    except IntegrityError as error:
        raise DuplicateOrganizationError(f"There is an organisation with the identifier {organization_identifier}.") from error
    SendingDomain.objects.create(organization=organization, domain=proven, proven_at=at, valid_until=at + DOMAIN_VALIDITY)
    record(
        actor=actor,
        verb=Verb.ORGANIZATION_CREATED,
        subject=f"organization:{organization.id}",
        at=at,
        organization=organization,
        detail={"organization_identifier": organization_identifier, "domain": proven},
    )
    return organization


def suspend(*, organization: Organization, reason: str, actor: str, at: datetime) -> None:
    """Stop all of an organisation's tokens, here at once and in every process within 5 s; raises IllegalMoveError."""
    move(organization, OrganizationStatus.SUSPENDED, actor=actor, at=at, reason=reason)


def reinstate(*, organization: Organization, reason: str, actor: str, at: datetime) -> None:
    """Let a suspended organisation's tokens work again; raises IllegalMoveError."""
    move(organization, OrganizationStatus.ACTIVE, actor=actor, at=at, reason=reason)


@transaction.atomic
def move(organization: Organization, to: OrganizationStatus, *, actor: str, at: datetime, reason: str) -> None:
    """Change the status by compare-and-set and leave an event; raises IllegalMoveError."""
    before = OrganizationStatus(organization.status)
    verb = TRANSITIONS[before].get(to)
    if verb is None or not Organization.objects.filter(pk=organization.pk, status=before).update(status=to):
        raise IllegalMoveError(f"An organisation cannot go from {before} to {to}.")
    organization.status = to
    record(actor=actor, verb=verb, subject=f"organization:{organization.id}", at=at, organization=organization, detail={"reason": reason})
    tokens.forget_known()
