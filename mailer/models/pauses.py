"""Pauses of sending: accepted messages wait until an operator, or their organisation, lets them go on."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization


class Pause(models.Model):
    """A pause of everything (neither field given), of one organisation, or of one recipient domain; active until resumed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="pauses")
    domain = models.CharField(_("recipients' domain, folded"), max_length=255, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    paused_by = models.CharField(_("paused by"), max_length=100)
    paused_at = models.DateTimeField(_("paused at"))
    resumed_by = models.CharField(_("resumed by"), max_length=100, blank=True)
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "domain"], condition=models.Q(resumed_at__isnull=True), nulls_distinct=False, name="pause_once_a_scope"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id or ''} {self.domain} {self.paused_at:%Y-%m-%d %H:%M}"
