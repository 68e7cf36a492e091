"""Invitations: one budget a mailbox across all senders, and one suppression list."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization
from mailer.models.notices import Notice


class Invitation(models.Model):
    """One invitation to a mailbox without a certificate: at most one in 7 days and three unanswered ever."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320, db_index=True)
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True, null=True, blank=True)
    notice = models.OneToOneField(Notice, models.SET_NULL, null=True, blank=True, related_name="+")
    actor = models.CharField(_("actor"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return f"{self.address} {self.created_at:%Y-%m-%d}"


class Suppression(models.Model):
    """ "Never again": a keyed hash of the folded address, honoured for ever."""

    digest = models.CharField(_("keyed hash of the address"), max_length=64, primary_key=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")

    def __str__(self) -> str:
        return self.digest[:16]
