"""Duplicates: by scheme, country and reference in one identifier, never by name; and who sends from the same domain."""

from datetime import datetime

from directory.models import Organization, SendingDomain
from onboarding.applications import OPEN_TO_REVIEWERS, Application, CheckOutcome, Scheme
from onboarding.checks.base import Finding
from onboarding.identifier import BadRegisterNumberError, identifier_of
from onboarding.states import Status

SOURCE = "Letterlock"


class DuplicatesCheck:
    name = "duplicates"

    def run(self, application: Application, *, at: datetime) -> Finding:
        try:
            identifier = identifier_of_claim(application)
        except BadRegisterNumberError:
            return Finding(CheckOutcome.FAIL, "number_wrong", SOURCE)
        facts = {"identifier": identifier}
        validated = Organization.objects.filter(organization_identifier=identifier).first()
        if validated is not None:
            return Finding(CheckOutcome.FAIL, "already_validated", SOURCE, {**facts, "name": validated.legal_name})
        others = Application.objects.filter(
            status__in=[*OPEN_TO_REVIEWERS, Status.WAITING], scheme=application.scheme, register_number=application.register_number
        ).exclude(pk=application.pk)
        if application.scheme != Scheme.GOV and any(identifier_of_claim(other) == identifier for other in others):
            return Finding(CheckOutcome.LOOK, "also_applied", SOURCE, facts)
        taken = SendingDomain.objects.select_related("organization").filter(domain=application.domain, valid_until__gt=at).first()
        if taken is not None:
            return Finding(CheckOutcome.LOOK, "domain_taken", SOURCE, {**facts, "name": taken.organization.legal_name})
        return Finding(CheckOutcome.PASS, "no_duplicate", SOURCE, facts)


def identifier_of_claim(application: Application) -> str:
    """The organizationIdentifier that an application claims; raises BadRegisterNumberError."""
    return identifier_of(scheme=application.scheme, country=application.country, region=application.region, number=application.register_number)
