"""The owner's answer to the question whether certificates out of their signed mail may be published. It is asked by `mailer.collecting`.

1. The mailed link shows what would be published, and changes nothing. It works for 24 hours, since its yes proves the mailbox (edge rule 14).
   One that is older gets another mailed to the same address, as long as the question is open, and once in 24 hours.
2. Yes: the certificates are judged once more, since a revocation may have come meanwhile, and published; what replaces a live one waits
   (`mailer.replacing`). All contributions of the same certificates are answered with it.
3. No: the mailbox is never asked or invited again, and what was kept of it here goes.
"""

import secrets
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from directory.errors import DirectoryError
from directory.events import record
from directory.models import Certificate, Source
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import X509Error
from directory.x509.names import EmailAddress
from mailer.collecting import LINK_LIFETIME, TRANSITIONS, mail_question, move, same_certificates
from mailer.inviting import SECRET_BYTES, add_suppression, answer_invitations, digest_of
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Consent, ConsentLink, ConsentStatus, Replacement
from mailer.replacing import publish_or_wait
from mailer.smime.outcomes import Outcome
from mailer.trust_store import ISSUER_REVOKED, Judgement, judge_foreign


class ConsentError(Exception):
    """The root of why a link does not do what it is for."""


class UnknownConsentError(ConsentError):
    """Nobody was sent this link."""


class UsedConsentError(ConsentError):
    """It has been answered."""


class ExpiredConsentError(ConsentError):
    pass


class OldConsentLinkError(ConsentError):
    """The link is older than 24 hours, while `consent` can still be answered by another."""

    def __init__(self, consent: Consent) -> None:
        super().__init__("The link is older than 24 hours.")
        self.consent = consent


class UnpublishableConsentError(ConsentError):
    """Wanted, and still not publishable; the cause is the named error, or there is none and the certificate was revoked by its issuer."""


def find_consent(secret: str, *, at: datetime) -> Consent:
    """(1) What is asked behind a mailed link. Raises UnknownConsentError, UsedConsentError, ExpiredConsentError, OldConsentLinkError."""
    consent = _check(_of_link(secret).select_related("organization").first(), at=at)
    if at - _mailed_at(consent, secret) > LINK_LIFETIME:
        raise OldConsentLinkError(consent)
    return consent


@transaction.atomic
def mail_new_link(secret: str, *, at: datetime) -> ConsentLink | None:
    """(1) Mail another link in place of one that is too old; None where one was mailed within 24 hours. Raises as `find_consent`, for an open one."""
    consent = _check(_of_link(secret).select_for_update(of=("self",)).first(), at=at)
    if consent.links.filter(created_at__gt=at - LINK_LIFETIME).exists():
        return None
    new = secrets.token_urlsafe(SECRET_BYTES)
    mail_question(consent, new, at=at)
    consent.save(update_fields=["notice"])
    actor = f"consent:{consent.pk}"
    record(actor=actor, verb="consent.link_mailed", subject=actor, organization=None, at=at)
    return ConsentLink.objects.create(consent=consent, secret_digest=digest_of(new), created_at=at)


def to_publish(consent: Consent) -> list[ParsedCertificate]:
    """The certificates that a yes publishes. Where all is to be encrypted to another one, a signer's that could be encrypted to as well stays out."""
    signer = parse_certificate(bytes(consent.signer_der))
    if consent.encryption_der is None:
        return [signer]
    encryption = parse_certificate(bytes(consent.encryption_der))
    return [encryption] if signer.can_encrypt else [signer, encryption]


def give_consent(secret: str, *, at: datetime) -> tuple[Consent, list[Certificate | Replacement]]:
    """(2) Publish; what waits before it replaces another is a Replacement. Raises as `find_consent`, and UnpublishableConsentError, which ends it."""
    asked = find_consent(secret, at=at)
    judged = [(parsed, judge_foreign(parsed.der, [bytes(der) for der in asked.chain], at=at)) for parsed in to_publish(asked)]
    is_revoked = any(judgement.trust in {Outcome.REVOKED, ISSUER_REVOKED} for _parsed, judgement in judged)
    refusal: X509Error | DirectoryError | None = None
    published: list[Certificate | Replacement] = []
    with transaction.atomic():
        consent = _check(Consent.objects.select_for_update().filter(pk=asked.pk).first(), at=at)
        lock_mailbox(consent.match, purpose="collect")
        actor = f"consent:{consent.pk}"
        if not is_revoked:
            try:
                with transaction.atomic():
                    published = [_publish(consent, parsed, judgement, actor=actor, at=at) for parsed, judgement in judged]
            except (X509Error, DirectoryError) as error:
                refusal = error
        if is_revoked or refusal is not None:
            reason = refusal.code if refusal is not None else Outcome.REVOKED.value
            move(consent, ConsentStatus.REFUSED, actor=actor, at=at, answered_at=at, reason=reason)
        else:
            for same in same_certificates(consent).filter(status=ConsentStatus.AWAITING_CONSENT):
                move(same, ConsentStatus.GIVEN, actor=actor, at=at, answered_at=at)
            answer_invitations(consent.match, at=at)
            consent.refresh_from_db()
    if is_revoked or refusal is not None:
        raise UnpublishableConsentError from refusal
    return consent, published


@transaction.atomic
def refuse_consent(secret: str, *, at: datetime) -> None:
    """(3) Never again; may be repeated, and works for ever. Raises UnknownConsentError."""
    consent = _of_link(secret).select_for_update(of=("self",)).first()
    if consent is None:
        raise UnknownConsentError
    if not consent.match:
        return  # refused before, or erased
    actor = f"consent:{consent.pk}"
    lock_mailbox(consent.match, purpose="collect")
    if add_suppression(consent.match, at=at):
        record(actor=actor, verb="consent.never_again", subject=actor, at=at)
    for waiting in Consent.objects.filter(match=consent.match, status=ConsentStatus.AWAITING_CONSENT):
        move(waiting, ConsentStatus.REFUSED, actor=actor, at=at, answered_at=at)


def _of_link(secret: str) -> QuerySet[Consent]:
    digest = digest_of(secret)
    newer = ConsentLink.objects.filter(consent=OuterRef("pk"), secret_digest=digest)
    return Consent.objects.filter(Q(secret_digest=digest) | Exists(newer))


def _mailed_at(consent: Consent, secret: str) -> datetime:
    newer = consent.links.filter(secret_digest=digest_of(secret)).first()
    return newer.created_at if newer is not None else consent.created_at


def _publish(consent: Consent, parsed: ParsedCertificate, judgement: Judgement, *, actor: str, at: datetime) -> Certificate | Replacement:
    return publish_or_wait(
        address=EmailAddress.parse(consent.address),
        parsed=parsed,
        level=judgement.level,
        source=Source.COLLECTED,
        chain=[bytes(der) for der in consent.chain],
        trust=judgement.trust,
        actor=actor,
        at=at,
        consent=consent,
    )


def _check(consent: Consent | None, *, at: datetime) -> Consent:
    if consent is None:
        raise UnknownConsentError
    if consent.status == ConsentStatus.EXPIRED:
        raise ExpiredConsentError
    if not TRANSITIONS[ConsentStatus(consent.status)]:
        raise UsedConsentError
    if consent.expires_at <= at:
        raise ExpiredConsentError
    return consent
