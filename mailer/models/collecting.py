"""Certificates seen in signed mail, waiting for their owner's consent."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization
from mailer.models.notices import Notice


class ConsentStatus(models.TextChoices):
    AWAITING_CONSENT = "awaiting_consent", _("Waiting for consent")
    GIVEN = "given", _("Given")
    REFUSED = "refused", _("Refused")
    EXPIRED = "expired", _("Expired")


class Consent(models.Model):
    """A contribution and what its owner said to it. The mail itself is not kept; one that was refused names no address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="contributions")
    address = models.CharField(_("address"), max_length=320, blank=True)
    match = models.CharField(_("folded address"), max_length=320, blank=True, db_index=True)
    signer_der = models.BinaryField(_("signer's certificate"), default=b"")
    encryption_der = models.BinaryField(_("encryption certificate it points to"), null=True, blank=True)
    chain = ArrayField(models.BinaryField(), default=list, blank=True, verbose_name=_("chain"))
    status = models.CharField(_("status"), max_length=16, choices=ConsentStatus.choices, default=ConsentStatus.AWAITING_CONSENT)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True, null=True, blank=True)
    notice = models.OneToOneField(Notice, models.SET_NULL, null=True, blank=True, related_name="+")
    actor = models.CharField(_("actor"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["expires_at"], name="consent_expiring", condition=models.Q(status="awaiting_consent"))]

    def __str__(self) -> str:
        return f"{self.address} {self.status}"


class ConsentLink(models.Model):
    """A newer link to a question, mailed since the one before it was older than 24 hours; its secret is stored as SHA-256 alone."""

    consent = models.ForeignKey(Consent, models.CASCADE, related_name="links")
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("link to a consent")
        verbose_name_plural = _("links to consents")

    def __str__(self) -> str:
        return f"{self.consent_id} {self.created_at:%Y-%m-%d}"
