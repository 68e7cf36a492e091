"""Publishing one's own certificate: one sealed mail proves mailbox and key at once.

(1) The certificate is parsed and judged; one that cannot encrypt is refused, since no mail can be sealed to it.
(2) A mail that holds a secret link is sealed to it and stored with the publication, in one transaction.
(3) Whoever opens that mail has the mailbox and the private key. The link shows what will be published; only its POST publishes.
(4) The link works once, for 24 hours.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urljoin

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from directory.errors import DirectoryError
from directory.events import record
from directory.models import Level, Organization, Source
from directory.publishing import publish
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import UnpublishableError, X509Error
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress
from mailer.ca.authorities import names_one_of_ours
from mailer.ca.ledger import has_issued
from mailer.inviting import SECRET_BYTES, answer_invitations, digest_of
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Publication, PublicationStatus
from mailer.notice_mail import new_message_id, sealed_mail, words
from mailer.notices import store_notice
from mailer.smime.recipients import Recipient

LIFETIME = timedelta(hours=24)
MOST_MAILS, MAILS_IN = 3, timedelta(hours=24)
# Of these, for all organisations together: whoever is invited and hands in their own certificate always has one left.
MOST_FOR_ORGANIZATIONS = 2
_CHUNK = 1000

TRANSITIONS: Mapping[PublicationStatus, frozenset[PublicationStatus]] = {
    PublicationStatus.AWAITING_MAILBOX_PROOF: frozenset({PublicationStatus.PUBLISHED, PublicationStatus.REFUSED, PublicationStatus.EXPIRED}),
    PublicationStatus.AWAITING_POSSESSION_PROOF: frozenset({PublicationStatus.PUBLISHED, PublicationStatus.REFUSED, PublicationStatus.EXPIRED}),
    PublicationStatus.PUBLISHED: frozenset(),
    PublicationStatus.REFUSED: frozenset(),
    PublicationStatus.EXPIRED: frozenset(),
}


class ProvingError(Exception):
    """The root of what can go wrong on the way to a publication."""


class SigningOnlyError(UnpublishableError):
    """Nothing can be sealed to this certificate, so nothing can prove its key."""

    code = "signing_only"


class ForgedIssuerError(UnpublishableError):
    """The certificate names one of our CAs as its issuer, and the ledger does not have it."""

    code = "forged_issuer"


class TooManyProofsError(ProvingError):
    """The address has had its proof mails of the last 24 hours."""


class UnknownProofError(ProvingError):
    """No publication waits behind this link."""


class UsedProofError(ProvingError):
    """The link has done its work, or its publication was refused."""


class ExpiredProofError(ProvingError):
    pass


class RefusedProofError(ProvingError):
    """Proven, and still not publishable; the cause is the directory's named error."""


def submit(*, address: EmailAddress, der: bytes, organization: Organization | None, actor: str, at: datetime) -> Publication:
    """(1), (2): keep the certificate and mail its proof.

    Raises the errors of `parse_certificate` and `check_publishable`, ForgedIssuerError, SigningOnlyError, TooManyProofsError.
    """
    parsed = parse_certificate(der)
    check_publishable(parsed, address=address, at=at)
    if names_one_of_ours(x509.load_der_x509_certificate(parsed.der)) and not has_issued(parsed.der):
        raise ForgedIssuerError("The certificate names this portal's CA as its issuer, which has not issued it.")
    if not parsed.can_encrypt:
        raise SigningOnlyError("The certificate only signs.")
    recipient = Recipient.from_parts(parsed.issuer_and_serial, parsed.spki)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    with transaction.atomic():
        lock_mailbox(address.match, purpose="prove")
        if _mails_spent(address, organization, at=at):
            raise TooManyProofsError
        publication = Publication(
            organization=organization,
            address=address.address,
            match=address.match,
            der=parsed.der,
            fingerprint=parsed.fingerprint,
            secret_digest=digest_of(secret),
            actor=actor,
            created_at=at,
            expires_at=at + LIFETIME,
        )
        message_id = new_message_id()
        mail = _proof_mail(publication, parsed, secret, recipient, to=address, message_id=message_id, at=at)
        publication.notice = store_notice(mail, to=address, kind="proof", message_id=message_id, actor=actor, at=at)
        publication.save(force_insert=True)
        record(actor=actor, verb="publication.submitted", subject=f"publication:{publication.id}", organization=organization, at=at)
    return publication


def find_proof(secret: str, *, at: datetime) -> Publication:
    """(3) What waits behind a mailed link. Raises UnknownProofError, UsedProofError, ExpiredProofError."""
    return _check(Publication.objects.select_related("organization").filter(secret_digest=digest_of(secret)).first(), at=at)


def confirm(secret: str, *, at: datetime) -> Publication:
    """(3), (4): publish. Raises as `find_proof`, and RefusedProofError, which ends the publication."""
    with transaction.atomic():
        publication = _check(Publication.objects.select_for_update().filter(secret_digest=digest_of(secret)).first(), at=at)
        actor = f"publication:{publication.id}"
        try:
            publish(
                address=EmailAddress.parse(publication.address),
                parsed=parse_certificate(bytes(publication.der)),
                level=Level.EXTERNAL,
                source=Source.UPLOADED,
                actor=actor,
                at=at,
            )
        except (X509Error, DirectoryError) as error:
            refusal: X509Error | DirectoryError | None = error
            _move(publication, PublicationStatus.REFUSED, actor=actor, at=at, reason=error.code)
        else:
            refusal = None
            _move(publication, PublicationStatus.PUBLISHED, actor=actor, at=at, proven_at=at)
            answer_invitations(publication.match, at=at)
    if refusal is not None:
        raise RefusedProofError from refusal
    return publication


def expire_proofs(*, at: datetime) -> int:
    """End what was not proven in time; returns how many."""
    waiting = [PublicationStatus.AWAITING_MAILBOX_PROOF, PublicationStatus.AWAITING_POSSESSION_PROOF]
    over = list(Publication.objects.filter(status__in=waiting, expires_at__lte=at)[:_CHUNK])
    return sum(_move(publication, PublicationStatus.EXPIRED, actor="system:worker", at=at) for publication in over)


def _mails_spent(address: EmailAddress, organization: Organization | None, *, at: datetime) -> bool:
    recent = Publication.objects.filter(match=address.match, created_at__gt=at - MAILS_IN)
    if organization is not None and recent.filter(organization__isnull=False).count() >= MOST_FOR_ORGANIZATIONS:
        return True
    return recent.count() >= MOST_MAILS


def _check(publication: Publication | None, *, at: datetime) -> Publication:
    if publication is None:
        raise UnknownProofError
    if publication.status == PublicationStatus.EXPIRED:
        raise ExpiredProofError
    if not TRANSITIONS[PublicationStatus(publication.status)]:
        raise UsedProofError
    if publication.expires_at <= at:
        raise ExpiredProofError
    return publication


@transaction.atomic
def _move(
    publication: Publication, target: PublicationStatus, *, actor: str, at: datetime, reason: str = "", proven_at: datetime | None = None
) -> bool:
    """Compare-and-set with its event; False if somebody was faster."""
    source = PublicationStatus(publication.status)
    if target not in TRANSITIONS[source]:
        return False
    changed = Publication.objects.filter(pk=publication.pk, status=source).update(status=target, reason=reason, proven_at=proven_at)
    if changed:
        publication.status, publication.reason, publication.proven_at = target, reason, proven_at
        verb, subject = f"publication.{target}", f"publication:{publication.id}"
        record(actor=actor, verb=verb, subject=subject, organization=publication.organization, at=at, detail={"reason": reason} if reason else None)
    return changed == 1


def _proof_mail(
    publication: Publication, parsed: ParsedCertificate, secret: str, recipient: Recipient, *, to: EmailAddress, message_id: str, at: datetime
) -> bytes:
    context = {
        "publication": publication,
        "parsed": parsed,
        "organization": publication.organization,
        "url": urljoin(settings.LETTERLOCK_URL, reverse("publication", args=[secret])),
        "hours": LIFETIME.total_seconds() // 3600,
    }
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("Open this mail to publish your certificate")
    return sealed_mail(words("proof", context), subject=subject, to=to, recipients=[recipient], message_id=message_id, at=at)
