"""The portal's own mails: confirmations, proofs, invitations. Accepted means stored; a task hands them over."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class NoticeStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    HANDING = "handing", _("Handing over")
    HANDED = "handed", _("Handed over")
    FAILED = "failed", _("Failed")
    UNKNOWN = "unknown", _("Unknown")


class Notice(models.Model):
    """One mail of the portal to one address. Its content holds secret links, so it is encrypted, and gone once handed over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.SlugField(_("kind"), max_length=40)
    recipient = models.CharField(_("recipient"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320)
    message_id = models.CharField(_("Message-ID"), max_length=255, unique=True)
    status = models.CharField(_("status"), max_length=8, choices=NoticeStatus.choices, default=NoticeStatus.QUEUED)
    content = models.BinaryField(_("encrypted mail"), null=True, blank=True)
    relay_reply = models.TextField(_("the relay's words"), blank=True)
    attempt = models.PositiveIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"))
    lease_token = models.BigIntegerField(_("lease token"), default=0)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    actor = models.CharField(_("actor"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    updated_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [
            models.Index(fields=["not_before"], name="notice_ready", condition=models.Q(status__in=["queued", "handing"])),
            models.Index(fields=["match", "-created_at"], name="notice_of_address"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.recipient}"
