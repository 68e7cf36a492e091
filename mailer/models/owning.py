"""What a mailbox's owner asks for: a link to the page of their own, and to be forgotten."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailer.models.notices import Notice


class LinkPurpose(models.TextChoices):
    PAGE = "page", _("the owner's page")
    REVERIFY = "reverify", _("proving the mailbox again")


class OwnerLink(models.Model):
    """A mailed link to the owner's page, or to the yearly question; its secret is stored as SHA-256 alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320, db_index=True)
    purpose = models.CharField(_("purpose"), max_length=10, choices=LinkPurpose.choices, default=LinkPurpose.PAGE)
    secret_digest = models.CharField(_("SHA-256 of the mailed secret"), max_length=64, unique=True)
    notice = models.OneToOneField(Notice, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))

    class Meta:
        verbose_name = _("owner's link")
        verbose_name_plural = _("owners' links")
        indexes = [models.Index(fields=["created_at"], name="owner_link_by_age")]

    def __str__(self) -> str:
        return f"{self.address} {self.created_at:%Y-%m-%d}"


class ErasedAddress(models.Model):
    """A keyed hash of a folded address that is not to be collected or imported again; its owner may come back."""

    digest = models.CharField(_("keyed hash of the address"), max_length=64, primary_key=True)
    at = models.DateTimeField(_("at"))
    # Then what is proven next waits as long as if it replaced what was erased.
    had_live = models.BooleanField(_("had a live certificate"), default=False)

    class Meta:
        verbose_name = _("erased address")
        verbose_name_plural = _("erased addresses")

    def __str__(self) -> str:
        return self.digest[:16]
