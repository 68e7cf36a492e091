"""The reviewers' queue: views of it by name, filters, and counts, each in a constant number of queries."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q, QuerySet

from onboarding.applications import Application, CheckResult
from onboarding.people.models import User
from onboarding.states import Status

VIEWS = ("open", "mine", "second", "waiting", "decided")
PAGE = 50


def view_of(name: str, *, reader: User, at: datetime) -> QuerySet[Application]:
    """The applications of a saved view; an unknown name is the first view."""
    sent = Application.objects.sent().exclude(applicant=reader).select_related("applicant", "claimed_by")
    if name == "decided":
        return sent.filter(status__in=[Status.APPROVED, Status.REJECTED, Status.WITHDRAWN]).order_by("-submitted_at")
    rows = {
        "mine": sent.filter(claimed_by=reader, claimed_until__gt=at),
        "second": sent.filter(status=Status.SECOND_LOOK),
        "waiting": sent.filter(status=Status.WAITING),
    }.get(name, sent.to_review())
    return rows.by_deadline()


def counts_of(*, reader: User, at: datetime) -> dict[str, int]:
    return {name: view_of(name, reader=reader, at=at).count() for name in VIEWS if name != "decided"}


def filtered(rows: QuerySet[Application], *, text: str, country: str) -> QuerySet[Application]:
    if text:
        rows = rows.filter(Q(legal_name__icontains=text) | Q(domain__icontains=text) | Q(register_number__icontains=text))
    return rows.filter(country=country) if country else rows


def outcomes_of(applications: list[Application]) -> Mapping[object, dict[str, int]]:
    """How many of the newest results of each application passed, need a look, failed."""
    newest = CheckResult.objects.filter(application__in=applications).order_by("application", "check_name", "-at", "-id")
    counts: dict[object, dict[str, int]] = {}
    for result in newest.distinct("application", "check_name"):
        row = counts.setdefault(result.application_id, {})
        row[result.outcome] = row.get(result.outcome, 0) + 1
    return counts
