"""How an organisation's mails are sent: what of a sealed message may stand outside it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Organization


class SubjectPolicy(models.TextChoices):
    NEUTRAL = "neutral", _("A neutral subject outside")
    KEEP = "keep", _("The message's own subject outside")


class SendingPolicy(models.Model):
    """The organisation's choice of header protection (RFC 9788); without a row it is the neutral subject in our wording."""

    organization = models.OneToOneField(Organization, models.CASCADE, primary_key=True, related_name="sending_policy")
    subject = models.CharField(_("subject outside"), max_length=7, choices=SubjectPolicy.choices, default=SubjectPolicy.NEUTRAL)
    neutral_subject = models.CharField(_("neutral subject, blank for our wording"), max_length=100, blank=True)
    changed_at = models.DateTimeField(_("changed at"))

    class Meta:
        verbose_name = _("sending policy")
        verbose_name_plural = _("sending policies")

    def __str__(self) -> str:
        return f"{self.organization_id} {self.subject}"
