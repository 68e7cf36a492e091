"""What was validated and published: organisations, mailboxes, certificates, and who may ask."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _


class OrganizationStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")


class Organization(models.Model):
    """A validated organisation. Created by an approval alone; holds what was validated, never what was claimed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    legal_name = models.CharField(_("legal name"), max_length=200)
    country = models.CharField(_("country"), max_length=2)
    # S/MIME BR appendix A: scheme, country and reference in one value, such as NTRDE-DER3306.HRB12345.
    organization_identifier = models.CharField(_("organisation identifier"), max_length=100, unique=True)
    address = models.TextField(_("registered address"))
    website = models.CharField(_("website"), max_length=200, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=50, default="UTC")
    status = models.CharField(_("status"), max_length=12, choices=OrganizationStatus.choices, default=OrganizationStatus.ACTIVE)
    validated_at = models.DateTimeField(_("validated at"))
    valid_until = models.DateTimeField(_("validation valid until"))

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ["legal_name"]

    def __str__(self) -> str:
        return self.legal_name


class SendingDomain(models.Model):
    """A domain whose control an organisation has proven; evidence counts for 398 days."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="domains")
    domain = models.CharField(_("domain"), max_length=253)
    proven_at = models.DateTimeField(_("proven at"))
    valid_until = models.DateTimeField(_("valid until"))

    class Meta:
        verbose_name = _("sending domain")
        verbose_name_plural = _("sending domains")
        constraints = [models.UniqueConstraint(fields=["organization", "domain"], name="domain_once_an_organization")]

    def __str__(self) -> str:
        return self.domain


class Mailbox(models.Model):
    """An address whose control was proven: shown as given, matched folded."""

    address = models.CharField(_("address"), max_length=320)
    match = models.CharField(_("folded address"), max_length=320, unique=True)
    hidden_at = models.DateTimeField(_("hidden at"), null=True, blank=True)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True)
    # When its owner last showed that mail to it is read; asked for again after a year.
    proven_at = models.DateTimeField(_("proven at"), null=True, blank=True)
    reverify_asked_at = models.DateTimeField(_("asked to prove it again at"), null=True, blank=True)

    class Meta:
        verbose_name = _("mailbox")
        verbose_name_plural = _("mailboxes")
        indexes = [
            models.Index(fields=["proven_at"], name="mailbox_by_proof", condition=models.Q(proven_at__isnull=False, reverify_asked_at__isnull=True)),
            models.Index(fields=["reverify_asked_at"], name="mailbox_asked", condition=models.Q(reverify_asked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.address


class Level(models.TextChoices):
    V1 = "V1", _("mailbox-validated")
    V2 = "V2", _("individual-validated")
    V3 = "V3", _("sponsor-validated")
    V4 = "V4", _("organisation-validated")
    EXTERNAL = "external", _("validated elsewhere")


class Source(models.TextChoices):
    ISSUED = "issued", _("issued here")
    UPLOADED = "uploaded", _("uploaded")
    COLLECTED = "collected", _("collected from signed mail")
    IMPORTED = "imported", _("imported")


class CertificateStatus(models.TextChoices):
    PUBLISHED = "published", _("Published")
    SUPERSEDED = "superseded", _("Superseded")
    REVOKED = "revoked", _("Revoked")
    ERASED = "erased", _("Erased")


class Certificate(models.Model):
    """A published certificate of one mailbox. The derived columns are facts of `der`, kept so that nothing is parsed on the hot path."""

    id = models.BigAutoField(primary_key=True)
    # Each is the first column of an index below.
    mailbox = models.ForeignKey(Mailbox, models.CASCADE, related_name="certificates", db_index=False)
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, related_name="certificates", db_index=False)
    fingerprint = models.CharField(_("SHA-256 fingerprint"), max_length=64, db_index=True)
    der = models.BinaryField(_("DER"))
    spki = models.BinaryField(_("SubjectPublicKeyInfo"))
    issuer_and_serial = models.BinaryField(_("IssuerAndSerialNumber"))
    # What the holder's program can decrypt, as the certificate itself says (RFC 4262); most certificates say nothing.
    smime_capabilities = models.BinaryField(_("SMIMECapabilities"), null=True, blank=True)
    issuer = models.CharField(_("issuer"), max_length=500)
    serial = models.CharField(_("serial number, hex"), max_length=64)
    level = models.CharField(_("level"), max_length=8, choices=Level.choices)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    name = models.CharField(_("name"), max_length=200, blank=True)
    organization_name = models.CharField(_("organisation name"), max_length=200, blank=True)
    organization_identifier = models.CharField(_("organisation identifier"), max_length=100, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    can_sign = models.BooleanField(_("signs"))
    can_encrypt = models.BooleanField(_("encrypts"))
    key_type = models.CharField(_("key type"), max_length=3)
    key_bits = models.PositiveIntegerField(_("key bits"))
    key_curve = models.CharField(_("curve"), max_length=10, blank=True)
    not_before = models.DateTimeField(_("valid from"))
    not_after = models.DateTimeField(_("valid until"))
    status = models.CharField(_("status"), max_length=10, choices=CertificateStatus.choices, default=CertificateStatus.PUBLISHED)
    published_at = models.DateTimeField(_("published at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    revocation_reason = models.CharField(_("revocation reason"), max_length=30, blank=True)
    # The authorities that came with it, from its issuer upwards: DER.
    chain = ArrayField(models.BinaryField(), default=list, blank=True, verbose_name=_("chain"))
    # What the trust store said of a certificate that was issued elsewhere, and when.
    trust = models.CharField(_("by the trust store"), max_length=24, blank=True)
    judged_at = models.DateTimeField(_("judged at"), null=True, blank=True)

    class Meta:
        verbose_name = _("certificate")
        verbose_name_plural = _("certificates")
        constraints = [models.UniqueConstraint(fields=["mailbox", "fingerprint"], name="certificate_once_a_mailbox")]
        indexes = [
            models.Index(fields=["organization", "status"], name="certificate_of_organization"),
            # Those from elsewhere are judged anew, the longest unjudged first, or all of an issuer whose CRL has changed.
            models.Index(
                models.F("judged_at").asc(nulls_first=True),
                name="certificate_to_judge",
                condition=models.Q(status="published") & ~models.Q(source="issued"),
            ),
            # Nobody has proven their mailboxes: the yearly question counts from here.
            models.Index(fields=["published_at"], name="certificate_imported", condition=models.Q(source="imported", status="published")),
            models.Index(fields=["issuer", "id"], name="certificate_of_issuer", condition=models.Q(status="published") & ~models.Q(source="issued")),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.fingerprint[:16]}"


class AuthorityKind(models.TextChoices):
    ROOT = "root", _("root")
    INTERMEDIATE = "intermediate", _("intermediate")


class AuthoritySource(models.TextChoices):
    OWN = "own", _("this installation's own")
    ADDED = "added", _("added by the operator")
    NSS = "nss", _("from the list of NSS")


class TrustedAuthority(models.Model):
    """A certificate authority that the operator trusts to name e-mail addresses, or one that helps to reach such a root. Counts until removed."""

    fingerprint = models.CharField(_("SHA-256 fingerprint"), max_length=64, primary_key=True)
    der = models.BinaryField(_("DER"))
    subject = models.CharField(_("subject"), max_length=500)
    kind = models.CharField(_("kind"), max_length=12, choices=AuthorityKind.choices)
    source = models.CharField(_("source"), max_length=5, choices=AuthoritySource.choices)
    # What it issued after this moment is not trusted.
    distrust_after = models.DateTimeField(_("not trusted after"), null=True, blank=True)
    added_at = models.DateTimeField(_("added at"))
    removed_at = models.DateTimeField(_("removed at"), null=True, blank=True)
    actor = models.CharField(_("actor"), max_length=100)

    class Meta:
        verbose_name = _("trusted authority")
        verbose_name_plural = _("trusted authorities")

    def __str__(self) -> str:
        return self.subject


class RevocationSource(models.Model):
    """An address, named by the operator, from which a foreign authority's CRL is fetched; addresses in certificates are not."""

    id = models.BigAutoField(primary_key=True)
    url = models.CharField(_("address"), max_length=500, unique=True)
    crl = models.BinaryField(_("CRL, DER"), null=True, blank=True)
    fetched_at = models.DateTimeField(_("fetched at"), null=True, blank=True)
    fault = models.CharField(_("fault"), max_length=300, blank=True)
    added_at = models.DateTimeField(_("added at"))
    actor = models.CharField(_("actor"), max_length=100)

    class Meta:
        verbose_name = _("revocation source")
        verbose_name_plural = _("revocation sources")

    def __str__(self) -> str:
        return self.url


class Answer(models.Model):
    """The look-up's answer to one address, ready to send. Past `changes_at` it is computed afresh.

    A mailbox that has nothing to show has no row, so that a look-up cannot tell "hidden" from "none".
    """

    match = models.CharField(_("folded address"), max_length=320, primary_key=True)
    # What follows the address in the JSON object: the address itself is echoed as it was asked for. Each DER is left out of it, since it
    # stands in its certificate's row already: `certificates` are those rows, in the order of the JSON.
    json = models.BinaryField(_("JSON"))
    certificates = ArrayField(models.BigIntegerField(), verbose_name=_("certificates"), default=list)
    found = models.BooleanField(_("found"))
    etag = models.CharField(max_length=64)
    changes_at = models.DateTimeField(_("changes at"))

    class Meta:
        verbose_name = _("prepared answer")
        verbose_name_plural = _("prepared answers")
        indexes = [models.Index(fields=["changes_at"], name="answer_overdue")]

    def __str__(self) -> str:
        return self.match


class ChangeKind(models.TextChoices):
    PUBLISHED = "published", _("Published")
    ENDED = "ended", _("Ended")
    INVITE = "invite", _("Invitation asked for")


class Change(models.Model):
    """What happened in the directory and waits for the mailer, which claims rows with SKIP LOCKED. One that is done names nobody."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ChangeKind.choices)
    # As asked for, where a mail is to be sent to it: the local part's case is the recipient's own.
    address = models.CharField(_("address"), max_length=320, blank=True)
    match = models.CharField(_("folded address"), max_length=320)
    fingerprint = models.CharField(_("SHA-256 fingerprint"), max_length=64, blank=True)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True)
    actor = models.CharField(_("actor"), max_length=100)
    at = models.DateTimeField(_("at"))
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        indexes = [
            models.Index(fields=["done_at"], name="change_done", condition=models.Q(done_at__isnull=False)),
            models.Index(fields=["id"], name="change_pending", condition=models.Q(done_at__isnull=True)),
            models.Index(fields=["organization", "match"], name="change_invite_pending", condition=models.Q(done_at__isnull=True, kind="invite")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.match}"


class ApiToken(models.Model):
    """Bearer token of one organisation: a public prefix and the SHA-256 of the whole; shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=8, unique=True)
    digest = models.CharField(_("SHA-256"), max_length=64)
    scopes = ArrayField(models.CharField(max_length=10), verbose_name=_("scopes"))
    created_by = models.CharField(_("created by"), max_length=100)
    created_at = models.DateTimeField(_("created at"))
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @cached_property
    def caller(self) -> str:
        """By whom look-ups with it are counted."""
        return f"org:{self.organization_id}"


class LookupCount(models.Model):
    """How many addresses were looked up in an hour by an organisation, or by all without a token; nobody's address is kept."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, blank=True, related_name="lookup_counts")
    hour = models.DateTimeField(_("hour"))
    lookups = models.BigIntegerField(_("look-ups"), default=0)
    found = models.BigIntegerField(_("found"), default=0)

    class Meta:
        verbose_name = _("count of look-ups")
        verbose_name_plural = _("counts of look-ups")
        constraints = [models.UniqueConstraint(fields=["organization", "hour"], nulls_distinct=False, name="lookups_once_an_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H} {self.lookups}"


class DirectoryEvent(models.Model):
    """Append-only: who changed what in the directory."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("actor"), max_length=100)
    verb = models.CharField(_("verb"), max_length=40)
    subject = models.CharField(_("subject"), max_length=340)
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, blank=True, db_index=False)  # there is one below
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("directory event")
        verbose_name_plural = _("directory events")
        indexes = [
            models.Index(fields=["organization", "-id"], name="event_of_organization"),
            models.Index(fields=["subject", "id"], name="event_of_judgement", condition=models.Q(verb="certificate.judged")),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"
