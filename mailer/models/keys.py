"""Data keys: one an owner, wrapped by the key-encryption key of the processes that use it."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class DataKey(models.Model):
    """An AES-256 key of one owner (an organisation or an application), wrapped; never stored in clear."""

    owner = models.UUIDField(_("owner"), primary_key=True)
    wrapped = models.BinaryField(_("wrapped key"))
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("data key")
        verbose_name_plural = _("data keys")

    def __str__(self) -> str:
        return str(self.owner)
