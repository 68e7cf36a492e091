"""The certificate authority's ledger and the organisations' signing identities."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from directory.models import Certificate, Organization


class Authority(models.Model):
    """A CA: its certificate, and its key encrypted for the signer process alone (empty where the root is kept offline)."""

    slug = models.SlugField(_("slug"), primary_key=True, max_length=40)
    certificate = models.BinaryField(_("DER"))
    encrypted_key = models.BinaryField(_("encrypted key"))
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    # How many serial numbers were given out: decides the CRL shard of the next certificate.
    assigned = models.PositiveBigIntegerField(_("serial numbers given out"), default=0)
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("certificate authority")
        verbose_name_plural = _("certificate authorities")

    def __str__(self) -> str:
        return self.slug


class SigningIdentityStatus(models.TextChoices):
    PENDING = "pending", _("Waiting for its certificate")
    ACTIVE = "active", _("Active")
    RETIRED = "retired", _("Retired")


class SigningIdentity(models.Model):
    """One sending address of an organisation with its managed key, encrypted for the workers alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="signing_identities")
    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320)
    status = models.CharField(_("status"), max_length=10, choices=SigningIdentityStatus.choices, default=SigningIdentityStatus.PENDING)
    encrypted_key = models.BinaryField(_("encrypted key"), null=True, blank=True)
    certificate = models.ForeignKey(Certificate, models.PROTECT, null=True, blank=True)
    chain = ArrayField(models.BinaryField(), default=list, verbose_name=_("intermediate certificates"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("signing identity")
        verbose_name_plural = _("signing identities")
        constraints = [
            models.UniqueConstraint(fields=["organization", "match"], condition=~models.Q(status="retired"), name="identity_once_an_address"),
        ]

    def __str__(self) -> str:
        return self.address


class IssuanceStatus(models.TextChoices):
    """Who acts next: INTENDED the worker (key, serial number), SIGNING the signer, ISSUED the worker (publish) and then nobody."""

    INTENDED = "intended", _("Intended")
    SIGNING = "signing", _("Being signed")
    ISSUED = "issued", _("Issued")
    REFUSED = "refused", _("Refused")
    REVOKED = "revoked", _("Revoked")


class Issuance(models.Model):
    """A line of the ledger: written before anything is signed. The signer refuses what is not here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="issuances")
    identity = models.ForeignKey(SigningIdentity, models.PROTECT, null=True, blank=True, related_name="issuances")
    authority = models.ForeignKey(Authority, models.PROTECT, null=True, blank=True, related_name="issuances")
    profile = models.CharField(_("profile"), max_length=40)
    address = models.CharField(_("address"), max_length=320)
    status = models.CharField(_("status"), max_length=10, choices=IssuanceStatus.choices, default=IssuanceStatus.INTENDED)
    serial = models.CharField(_("serial number, hex"), max_length=40, null=True, blank=True, unique=True)
    spki = models.BinaryField(_("SubjectPublicKeyInfo"), null=True, blank=True)
    spki_digest = models.CharField(_("SHA-256 of the key"), max_length=64, blank=True, db_index=True)
    shard = models.PositiveIntegerField(_("CRL shard"), default=0)
    certificate = models.BinaryField(_("DER"), null=True, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    actor = models.CharField(_("actor"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    issued_at = models.DateTimeField(_("issued at"), null=True, blank=True)
    not_before = models.DateTimeField(_("valid from"), null=True, blank=True)
    not_after = models.DateTimeField(_("valid until"), null=True, blank=True)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    revocation_reason = models.CharField(_("revocation reason"), max_length=30, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)

    class Meta:
        verbose_name = _("issuance")
        verbose_name_plural = _("issuances")
        indexes = [
            models.Index(
                fields=["created_at"],
                name="issuance_open",
                condition=models.Q(status__in=["intended", "signing"]) | models.Q(status="issued", published_at=None),
            ),
            models.Index(fields=["authority", "shard"], name="issuance_revoked", condition=models.Q(status="revoked")),
        ]

    def __str__(self) -> str:
        return f"{self.profile} {self.address}"


class LedgerEvent(models.Model):
    """A line of the CA's log: append-only, the database refuses changes."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("actor"), max_length=100)
    event = models.CharField(_("event"), max_length=30)
    authority = models.ForeignKey(Authority, models.PROTECT, null=True, blank=True, related_name="+")
    issuance = models.ForeignKey(Issuance, models.PROTECT, null=True, blank=True, related_name="events")
    detail = models.TextField(_("detail"), blank=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")

    def __str__(self) -> str:
        return f"{self.event} {self.issuance_id or self.authority_id}"


class CertificateRevocationList(models.Model):
    """A signed CRL (RFC 5280 section 5), kept with its number; the newest is served."""

    authority = models.ForeignKey(Authority, models.PROTECT, related_name="crls")
    shard = models.PositiveIntegerField(_("shard"), default=0)
    number = models.PositiveBigIntegerField(_("CRL number"))
    der = models.BinaryField(_("DER"))
    this_update = models.DateTimeField(_("this update"))
    next_update = models.DateTimeField(_("next update"))

    class Meta:
        verbose_name = _("certificate revocation list")
        verbose_name_plural = _("certificate revocation lists")
        constraints = [models.UniqueConstraint(fields=["authority", "shard", "number"], name="crl_number_once")]

    def __str__(self) -> str:
        return f"{self.authority_id} {self.shard} {self.number}"
