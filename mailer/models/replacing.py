"""Proven certificates that replace live ones: they wait for the old holder's objection."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Level, Organization, Source
from mailer.models.collecting import Consent
from mailer.models.issuing import Issuance
from mailer.models.proving import Publication


class ReplacementStatus(models.TextChoices):
    WAITING = "waiting", _("Waiting for objections")
    PUBLISHED = "published", _("Published")
    STOPPED = "stopped", _("Stopped by the old holder")
    REFUSED = "refused", _("Refused")


class Replacement(models.Model):
    """A certificate that waits 48 hours before it replaces another, and what it came from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    publication = models.OneToOneField(Publication, models.CASCADE, null=True, blank=True, related_name="replacement")
    consent = models.ForeignKey(Consent, models.CASCADE, null=True, blank=True, related_name="replacements")
    issuance = models.OneToOneField(Issuance, models.CASCADE, null=True, blank=True, related_name="replacement")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="replacements")
    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320, db_index=True)
    der = models.BinaryField(_("DER"))
    chain = ArrayField(models.BinaryField(), default=list, blank=True, verbose_name=_("chain"))
    fingerprint = models.CharField(_("SHA-256 fingerprint"), max_length=64)
    level = models.CharField(_("level"), max_length=8, choices=Level.choices)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    trust = models.CharField(_("by the trust store"), max_length=24, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=ReplacementStatus.choices, default=ReplacementStatus.WAITING)
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    publish_at = models.DateTimeField(_("published at the earliest"))
    actor = models.CharField(_("actor"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("replacement")
        verbose_name_plural = _("replacements")
        indexes = [models.Index(fields=["publish_at"], name="replacement_waiting", condition=models.Q(status="waiting"))]
        constraints = [
            models.UniqueConstraint(fields=["match", "fingerprint"], condition=models.Q(status="waiting"), name="replacement_waits_once"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.status}"
