"""Tables of an application: what is claimed, what proves it, what was found and decided."""

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization
from onboarding.clock import Calendar
from onboarding.people.models import User
from onboarding.states import Status

STATUS_WORDS = {
    Status.DRAFT: _("Draft"),
    Status.SUBMITTED: _("First look"),
    Status.WAITING: _("Waiting for the applicant"),
    Status.SECOND_LOOK: _("Second look"),
    Status.APPROVED: _("Approved"),
    Status.REJECTED: _("Rejected"),
    Status.WITHDRAWN: _("Withdrawn"),
}


class Scheme(models.TextChoices):
    NTR = "NTR", _("Trade register")
    VAT = "VAT", _("VAT number")
    LEI = "LEI", _("Legal Entity Identifier")
    GOV = "GOV", _("Government body")


# What the applicant may change, and what waits for the reviewers.
OPEN_TO_APPLICANT = frozenset({Status.DRAFT.value, Status.WAITING.value})
OPEN_TO_REVIEWERS = frozenset({Status.SUBMITTED.value, Status.SECOND_LOOK.value})


class ApplicationQuerySet(models.QuerySet["Application"]):
    def of(self, applicant: User) -> "ApplicationQuerySet":
        return self.filter(applicant=applicant)

    def sent(self) -> "ApplicationQuerySet":
        """What reviewers may see: everything but drafts, and drafts that were given up."""
        return self.exclude(submitted_at__isnull=True)

    def to_review(self) -> "ApplicationQuerySet":
        return self.filter(status__in=OPEN_TO_REVIEWERS)

    def by_deadline(self) -> "ApplicationQuerySet":
        """Soonest first; clocks that stand still last."""
        return self.order_by(models.F("deadline_at").asc(nulls_last=True), "submitted_at", "id")


class Application(models.Model):
    """What an applicant claims of an organisation. It becomes a fact only by two reviewers' approval."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    applicant = models.ForeignKey(User, models.PROTECT, related_name="applications")
    # Counts every move: whoever decides names the version that was read.
    version = models.PositiveIntegerField(_("version"), default=0)
    round = models.PositiveIntegerField(_("round"), default=1)
    status = models.CharField(_("status"), max_length=12, choices=[(s.value, w) for s, w in STATUS_WORDS.items()], default=Status.DRAFT.value)
    legal_name = models.CharField(_("legal name"), max_length=200, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    region = models.CharField(_("state or province"), max_length=3, blank=True)
    scheme = models.CharField(_("register"), max_length=3, choices=Scheme.choices, blank=True)
    register_number = models.CharField(_("register number"), max_length=60, blank=True)
    address = models.TextField(_("registered address"), blank=True, max_length=500)
    website = models.CharField(_("website"), max_length=200, blank=True)
    domain = models.CharField(_("sending domain"), max_length=253, blank=True)
    sending_address = models.CharField(_("sending address"), max_length=320, blank=True)
    contact_name = models.CharField(_("contact"), max_length=120, blank=True)
    contact_role = models.CharField(_("role in the organisation"), max_length=120, blank=True)
    contact_phone = models.CharField(_("telephone"), max_length=40, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=50, default="UTC")
    dns_value = models.CharField(_("value for the DNS"), max_length=80)
    domain_proven_at = models.DateTimeField(_("domain proven at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"))
    agreed_at = models.DateTimeField(_("agreement accepted at"), null=True, blank=True)
    agreement_version = models.CharField(_("version of the agreement"), max_length=10, blank=True)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    deadline_at = models.DateTimeField(_("decide by"), null=True, blank=True)
    paused_at = models.DateTimeField(_("clock stopped at"), null=True, blank=True)
    question = models.TextField(_("what is asked"), blank=True)
    claimed_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="claimed_applications")
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="applications")

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        indexes = [models.Index(fields=["status", "deadline_at"], name="application_by_deadline")]
        constraints = [models.UniqueConstraint(fields=["applicant"], condition=models.Q(status=Status.DRAFT.value), name="one_draft_an_applicant")]

    def __str__(self) -> str:
        return self.legal_name or str(self.id)

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.country, self.region, self.time_zone)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_open_to_applicant(self) -> bool:
        return self.status in OPEN_TO_APPLICANT

    @property
    def is_open_to_reviewers(self) -> bool:
        return self.status in OPEN_TO_REVIEWERS

    @property
    def record_name(self) -> str:
        """The name of the DNS record that proves the domain."""
        return f"_letterlock.{self.domain}"

    def held_by(self, user: User, at: datetime) -> bool:
        return self.claimed_by_id == user.pk and self.claimed_until is not None and self.claimed_until > at


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    def listed(self) -> "EvidenceQuerySet":
        """Without the content, which may be 10 MB a row."""
        return self.defer("content").order_by("at", "id")


class Evidence(models.Model):
    """An uploaded document, encrypted under the application's data key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(Application, models.CASCADE, related_name="evidence")
    filename = models.CharField(_("file name"), max_length=120)
    media_type = models.CharField(_("kind"), max_length=40)
    size = models.PositiveIntegerField(_("size in bytes"))
    digest = models.CharField(_("SHA-256"), max_length=64)
    content = models.BinaryField(_("encrypted content"))
    actor = models.CharField(_("actor"), max_length=100)
    at = models.DateTimeField(_("at"))

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")

    def __str__(self) -> str:
        return self.filename


class CheckOutcome(models.TextChoices):
    PASS = "pass", _("Passes")
    LOOK = "look", _("Needs a look")
    FAIL = "fail", _("Fails")


class CheckResult(models.Model):
    """What the machine found; it never decides."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="checks")
    check_name = models.CharField(_("check"), max_length=30)
    outcome = models.CharField(_("outcome"), max_length=5, choices=CheckOutcome.choices)
    code = models.CharField(_("finding"), max_length=30)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    source = models.CharField(_("source"), max_length=100)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("check result")
        verbose_name_plural = _("check results")

    def __str__(self) -> str:
        return f"{self.check_name} {self.outcome}"


class Verdict(models.TextChoices):
    APPROVE = "approve", _("Approve")
    REJECT = "reject", _("Reject")


class Decision(models.Model):
    """One reviewer's verdict. A round begins anew when information was asked for."""

    application = models.ForeignKey(Application, models.CASCADE, related_name="decisions")
    reviewer = models.ForeignKey(User, models.PROTECT, related_name="decisions")
    round = models.PositiveIntegerField(_("round"), default=1)
    verdict = models.CharField(_("verdict"), max_length=7, choices=Verdict.choices)
    reason = models.TextField(_("reason"), blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        constraints = [models.UniqueConstraint(fields=["application", "reviewer", "round"], name="one_verdict_a_reviewer")]

    def __str__(self) -> str:
        return f"{self.verdict} {self.application_id}"


class ApplicationEvent(models.Model):
    """Append-only: each move of an application, who made it and why."""

    id = models.BigAutoField(primary_key=True)
    application = models.ForeignKey(Application, models.PROTECT, related_name="events")
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("actor"), max_length=100)
    action = models.CharField(_("action"), max_length=30)
    from_status = models.CharField(_("from"), max_length=12, blank=True)
    to_status = models.CharField(_("to"), max_length=12, blank=True)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("application event")
        verbose_name_plural = _("application events")

    def __str__(self) -> str:
        return f"{self.action} {self.application_id}"
