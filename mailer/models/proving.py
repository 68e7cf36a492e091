"""Certificates on their way into the directory, waiting for a proof."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization, Source
from mailer.models.notices import Notice


class PublicationStatus(models.TextChoices):
    AWAITING_MAILBOX_PROOF = "awaiting_mailbox_proof", _("Waiting for proof of the mailbox")
    AWAITING_POSSESSION_PROOF = "awaiting_possession_proof", _("Waiting for proof of the key")
    WAITING = "waiting", _("Waiting for objections")
    PUBLISHED = "published", _("Published")
    REFUSED = "refused", _("Refused")
    EXPIRED = "expired", _("Expired")


class Publication(models.Model):
    """An uploaded certificate. The mailed link works once, for 24 hours; its secret is stored as SHA-256 alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="publications")
    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320, db_index=True)
    der = models.BinaryField(_("DER"))
    fingerprint = models.CharField(_("SHA-256 fingerprint"), max_length=64)
    status = models.CharField(_("status"), max_length=30, choices=PublicationStatus.choices, default=PublicationStatus.AWAITING_MAILBOX_PROOF)
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True, null=True, blank=True)
    code_digest = models.CharField(_("keyed hash of the mailed code"), max_length=64, blank=True)
    wrong_codes = models.PositiveSmallIntegerField(_("wrong codes"), default=0)
    chain = ArrayField(models.BinaryField(), default=list, blank=True, verbose_name=_("chain"))
    source = models.CharField(_("source"), max_length=10, choices=Source.choices, default=Source.UPLOADED)
    # Proven, but it replaces a live certificate: published then, unless its holder objects.
    publish_at = models.DateTimeField(_("published at the earliest"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    actor = models.CharField(_("actor"), max_length=100)
    notice = models.OneToOneField(Notice, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    proven_at = models.DateTimeField(_("proven at"), null=True, blank=True)

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        indexes = [models.Index(fields=["expires_at"], name="publication_expiring", condition=models.Q(status__startswith="awaiting"))]

    def __str__(self) -> str:
        return f"{self.address} {self.status}"
