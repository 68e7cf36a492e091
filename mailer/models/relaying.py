"""How far the relay's log was read, and what of ours is still in the relay's queue."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from mailer.models.outbox import Message


class RelayLog(models.Model):
    """The place in one log up to which it was read; the file is known by its inode, so that it is found again when it was rotated."""

    path = models.CharField(_("path"), max_length=500, unique=True)
    inode = models.BigIntegerField(_("inode"))
    offset = models.BigIntegerField(_("read up to"))
    read_at = models.DateTimeField(_("read at"))

    class Meta:
        verbose_name = _("relay log")
        verbose_name_plural = _("relay logs")

    def __str__(self) -> str:
        return self.path


class RelayedMail(models.Model):
    """A queue file of the relay that holds one of our messages, until it has left the queue and the message is where it belongs."""

    # The relay's own name for it; short names come again, long ones do not.
    queue = models.CharField(_("queue file"), max_length=100, unique=True)
    message = models.ForeignKey(Message, models.DO_NOTHING, db_constraint=False, related_name="+")
    is_taken = models.BooleanField(_("was completed"), default=False)
    is_delayed = models.BooleanField(_("was deferred"), default=False)
    is_sent = models.BooleanField(_("was delivered"), default=False)
    is_bounced = models.BooleanField(_("was returned"), default=False)
    is_closed = models.BooleanField(_("has left the queue"), default=False)
    words = models.TextField(_("the other side's words"), blank=True)
    seen_at = models.DateTimeField(_("last seen at"))

    class Meta:
        verbose_name = _("relayed mail")
        verbose_name_plural = _("relayed mails")
        indexes = [models.Index(fields=["seen_at"], name="relayed_mail_closed", condition=models.Q(is_closed=True))]

    def __str__(self) -> str:
        return self.queue
