"""Running the checks and keeping what they found."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Subquery

from onboarding.applications import Application, ApplicationEvent, CheckResult
from onboarding.checks.base import Check, Finding
from onboarding.checks.documents import DocumentsCheck
from onboarding.checks.domain import DomainCheck
from onboarding.checks.duplicates import DuplicatesCheck
from onboarding.checks.register import RegisterCheck
from onboarding.states import Action

CHECKS: Sequence[Check] = (RegisterCheck(), DuplicatesCheck(), DomainCheck(), DocumentsCheck())


def run_checks(application_id: UUID, *, at: datetime) -> list[CheckResult]:
    """Run every check and keep each result; earlier results stay beside them."""
    application = Application.objects.get(pk=application_id)
    return [keep(application, check.name, check.run(application, at=at), at=at) for check in CHECKS]


def keep(application: Application, name: str, finding: Finding, *, at: datetime) -> CheckResult:
    return CheckResult.objects.create(
        application=application,
        check_name=name,
        outcome=finding.outcome,
        code=finding.code,
        facts=dict(finding.facts),
        source=finding.source,
        at=at,
    )


def unchecked() -> list[UUID]:
    """The applications with the reviewers whose last check has found nothing since they came there."""
    came = ApplicationEvent.objects.filter(application=OuterRef("pk"), action__in=[Action.SUBMIT, Action.ANSWER]).order_by("-id").values("at")[:1]
    found = CheckResult.objects.filter(application=OuterRef("pk"), check_name=CHECKS[-1].name, at__gte=OuterRef("came"))
    return list(Application.objects.to_review().annotate(came=Subquery(came)).exclude(Exists(found)).values_list("pk", flat=True))


def latest_results(application: Application) -> list[CheckResult]:
    """The newest result of each check, in the order of CHECKS."""
    newest = {result.check_name: result for result in application.checks.order_by("check_name", "-at", "-id").distinct("check_name")}
    return [newest[check.name] for check in CHECKS if check.name in newest]
