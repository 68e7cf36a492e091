"""The outbox and the send log. PostgreSQL is the truth; Celery only wakes the workers."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from directory.models import Organization
from mailer.models.issuing import SigningIdentity


class OnMissing(models.TextChoices):
    HOLD = "hold", _("Hold and invite")
    FAIL = "fail", _("Fail")
    NOTICE = "notice", _("Invite and store nothing")


class Batch(models.Model):
    """One accepted request. The same key and body give the same answer again for 30 days; then the key is forgotten."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="batches")
    identity = models.ForeignKey(SigningIdentity, models.PROTECT, related_name="batches")
    idempotency_key = models.CharField(_("idempotency key"), max_length=255, null=True)  # noqa: DJ001 - forgotten keys must not collide
    body_digest = models.CharField(_("keyed digest of the body"), max_length=64, blank=True)
    on_missing = models.CharField(_("without a certificate"), max_length=6, choices=OnMissing.choices, default=OnMissing.HOLD)
    actor = models.CharField(_("actor"), max_length=100)
    accepted_at = models.DateTimeField(_("accepted at"))

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [models.UniqueConstraint(fields=["organization", "idempotency_key"], name="idempotency_key_once")]
        indexes = [
            models.Index(fields=["accepted_at", "id"], name="batch_by_age"),
            models.Index(fields=["accepted_at"], name="batch_with_key", condition=models.Q(idempotency_key__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.id)


class MessageStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    SEALING = "sealing", _("Sealing")
    HELD = "held", _("Held")
    SEALED = "sealed", _("Sealed")
    HANDING = "handing", _("Handing over")
    HANDED = "handed", _("Handed over")
    DELIVERED = "delivered", _("Delivered")
    BOUNCED = "bounced", _("Bounced")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    UNKNOWN = "unknown", _("Unknown")


FINAL = [MessageStatus.HANDED, MessageStatus.DELIVERED, MessageStatus.BOUNCED, MessageStatus.FAILED, MessageStatus.EXPIRED, MessageStatus.CANCELLED]


class Message(models.Model):
    """A message to one recipient. Its Message-ID is fixed at acceptance; its content is encrypted until sealed, then gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Neither has an index of its own: the unique constraint and `message_of_organization` begin with them. That the organisation exists its
    # batch vouches for: each message would else lock and look up the same row, a fifth of what acceptance costs the database.
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="messages", db_index=False)
    position = models.PositiveIntegerField(_("position"))
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="messages", db_index=False, db_constraint=False)
    # Who it is for stands in these three, the reference, the certificates and the relay's words alone: all are blank after an erasure.
    recipient = models.CharField(_("recipient"), max_length=320, blank=True)
    match = models.CharField(_("folded address"), max_length=320, blank=True)
    domain = models.CharField(_("recipient's domain, folded"), max_length=255, blank=True)
    # Compared by octets; and no second index for LIKE, which nobody asks for, so the constraint stands below.
    message_id = models.CharField(_("Message-ID"), max_length=255, db_collation="C")
    reference = models.CharField(_("reference"), max_length=255, blank=True)
    subject_digest = models.CharField(_("keyed digest of the subject"), max_length=64)
    size = models.PositiveIntegerField(_("size in bytes"))
    status = models.CharField(_("status"), max_length=10, choices=MessageStatus.choices, default=MessageStatus.QUEUED)
    content = models.BinaryField(_("encrypted content"), null=True, blank=True)
    sealed = models.BinaryField(_("sealed mail"), null=True, blank=True)
    certificate = models.CharField(_("fingerprint of the certificate used"), max_length=64, blank=True)
    further_certificates = models.TextField(_("fingerprints of the recipient's other certificates used"), blank=True, default="", db_default="")
    relay_reply = models.TextField(_("the relay's words"), blank=True)
    attempt = models.PositiveIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"))
    lease_token = models.BigIntegerField(_("lease token"), default=0)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"))
    accepted_at = models.DateTimeField(_("accepted at"))
    updated_at = models.DateTimeField(_("changed at"))
    erased_at = models.DateTimeField(_("recipient erased at"), null=True, blank=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="position_once_a_batch"),
            models.UniqueConstraint(fields=["message_id"], name="message_id_once"),
            models.CheckConstraint(
                name="content_only_until_sealed", condition=models.Q(content__isnull=True) | models.Q(status__in=["queued", "sealing", "held"])
            ),
            models.CheckConstraint(
                name="sealed_mail_only_until_handed",
                condition=models.Q(sealed__isnull=True) | models.Q(status__in=["queued", "sealed", "handing", "unknown"]),
            ),
            models.CheckConstraint(
                name="something_to_send", condition=models.Q(content__isnull=False) | models.Q(sealed__isnull=False) | models.Q(status__in=FINAL)
            ),
            models.CheckConstraint(
                name="recipient_until_the_end",
                condition=models.Q(erased_at__isnull=True)
                | models.Q(
                    status__in=FINAL,
                    recipient="",
                    match="",
                    domain="",
                    reference="",
                    relay_reply="",
                    certificate="",
                    further_certificates="",
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["not_before", "id"], name="message_queued", condition=models.Q(status="queued")),
            models.Index(fields=["lease_until"], name="message_leased", condition=models.Q(status__in=["sealing", "sealed", "handing", "unknown"])),
            models.Index(fields=["match"], name="message_of_recipient"),
            models.Index(fields=["expires_at"], name="message_expiring", condition=models.Q(status="held")),
            models.Index(fields=["organization", "-accepted_at", "-id"], name="message_of_organization"),
            # The send log's own views: few rows among many, and the status stands in other conditions already, so that nothing more is written.
            models.Index(
                fields=["organization", "-accepted_at", "-id"],
                name="message_to_look_at",
                condition=models.Q(status__in=["held", "bounced", "failed", "expired"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def certificates(self) -> list[str]:
        """The fingerprints of all certificates it was sealed to, in the order of preference."""
        return f"{self.certificate} {self.further_certificates}".split()


class SendEvent(models.Model):
    """A line of the send log: append-only, the database refuses changes, and an address in it, which could not be erased.

    The table is partitioned by month; a line outlives its message's row. In the database the key is (id, at).
    """

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, models.DO_NOTHING, related_name="events", db_constraint=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    at = models.DateTimeField(_("at"), db_default=Now())
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    event = models.CharField(_("event"), max_length=30)
    detail = models.TextField(_("detail"), blank=True)
    actor = models.CharField(_("actor"), max_length=100)

    class Meta:
        verbose_name = _("send log entry")
        verbose_name_plural = _("send log")
        constraints = [models.CheckConstraint(name="no_address_in_the_log", condition=~models.Q(detail__contains="@"))]

    def __str__(self) -> str:
        return f"{self.event} {self.message_id}"
