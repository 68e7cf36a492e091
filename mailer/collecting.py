"""Certificates out of signed mail: what is handed in is verified, and its owner is asked once, by mail, before anything is published.

1. The mail is read and judged (`mailer.contributed`); nothing of it is kept but its sender's certificates.
2. The owner is asked, unless they were asked about these certificates before, are known already, have been erased, want no mail from us, or have had
   their share of it (`mailer.inviting`). Whoever handed it in sees no difference, and what nobody is asked about is not kept.
3. The mailed link shows what would be published, and takes the answer (`mailer.consenting`).
4. A question is open for 14 days, and each link to it for 24 hours.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urljoin

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse

from directory.events import record
from directory.models import Certificate, Level, Organization
from directory.x509.certificate import ParsedCertificate
from directory.x509.names import EmailAddress
from mailer.ca.authorities import names_one_of_ours
from mailer.ca.ledger import has_issued
from mailer.contributed import Contribution, ContributionRefusedError, read_contribution
from mailer.dkim_verifying import Texts
from mailer.forgetting import is_erased
from mailer.inviting import SECRET_BYTES, ask_budget, digest_of
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Consent, ConsentStatus
from mailer.name_server import texts_at
from mailer.notices import send_notice
from mailer.smime.trust import Trust
from mailer.trust_store import current_trust

LIFETIME, LINK_LIFETIME = timedelta(days=14), timedelta(hours=24)
DAY = timedelta(days=1)
# Mails an organisation may hand in within a day; and of those that come in by mail the ones whose owner was asked.
MOST_FOR_ORGANIZATION, MOST_BY_MAIL = 1000, 5000
KEPT = timedelta(days=30)
_CHUNK = 1000

TRANSITIONS: Mapping[ConsentStatus, frozenset[ConsentStatus]] = {
    ConsentStatus.AWAITING_CONSENT: frozenset({ConsentStatus.GIVEN, ConsentStatus.REFUSED, ConsentStatus.EXPIRED}),
    ConsentStatus.GIVEN: frozenset(),
    ConsentStatus.REFUSED: frozenset(),
    ConsentStatus.EXPIRED: frozenset(),
}


class TooManyContributionsError(Exception):
    """More was handed in within a day than is taken."""


def contribute(
    message: bytes, *, organization: Organization | None, actor: str, at: datetime, trust: Trust | None = None, texts: Texts = texts_at
) -> Consent:
    """(1), (2): take a signed mail. `trust` is the trust store's unless given; `texts` asks the DNS.

    One that is refused is a row of the organisation's; where there is none, ContributionRefusedError is raised, and the row is stored only where
    its owner is asked. Also raises UndecidedError, TooManyContributionsError.
    """
    if _spent(organization, at=at):
        raise TooManyContributionsError
    try:
        contribution = read_contribution(message, trust=trust or current_trust(at=at), texts=texts, at=at)
        _check_issuer(contribution.certificates)
    except ContributionRefusedError as refusal:
        if organization is None:
            raise
        return _refused(refusal.reason, organization=organization, actor=actor, at=at)
    return _ask(contribution, organization=organization, actor=actor, at=at)


def outward_status(consent: Consent, *, at: datetime) -> ConsentStatus:
    """What whoever handed it in may know: an owner's "no" looks like no answer."""
    status = ConsentStatus(consent.status)
    if status != ConsentStatus.REFUSED or consent.answered_at is None:
        return status
    return ConsentStatus.EXPIRED if consent.expires_at <= at else ConsentStatus.AWAITING_CONSENT


def expire_consents(*, at: datetime) -> int:
    """(4) End what was not answered in time, and forget what nobody was asked about and what was not taken; returns how many were ended."""
    over = list(Consent.objects.filter(status=ConsentStatus.AWAITING_CONSENT, expires_at__lte=at).order_by("expires_at")[:_CHUNK])
    ended = sum(move(consent, ConsentStatus.EXPIRED, actor="system:worker", at=at) for consent in over)
    ending = Q(status=ConsentStatus.EXPIRED) | Q(status=ConsentStatus.REFUSED, answered_at=None)
    Consent.objects.filter(ending, secret_digest=None, expires_at__lt=at - KEPT).delete()
    return ended


@transaction.atomic
def move(consent: Consent, target: ConsentStatus, *, actor: str, at: datetime, answered_at: datetime | None = None, reason: str = "") -> bool:
    """Compare-and-set with its event; False if somebody was faster. A refused one names nobody any more."""
    source = ConsentStatus(consent.status)
    if target not in TRANSITIONS[source]:
        return False
    changes: dict[str, object] = {"status": target, "answered_at": answered_at, "reason": reason}
    if target == ConsentStatus.REFUSED:
        changes |= {"address": "", "match": "", "signer_der": b"", "encryption_der": None, "chain": []}
    changed = Consent.objects.filter(pk=consent.pk, status=source).update(**changes)
    if changed:
        consent.status, consent.answered_at, consent.reason = target, answered_at, reason
        detail = {"reason": reason} if reason else None
        record(actor=actor, verb=f"consent.{target}", subject=f"consent:{consent.pk}", organization=consent.organization, at=at, detail=detail)
    return changed == 1


def same_certificates(consent: Consent) -> QuerySet[Consent]:
    """All contributions of these certificates for this mailbox, whoever handed them in."""
    encryption = consent.encryption_der
    same = Consent.objects.filter(match=consent.match, signer_der=bytes(consent.signer_der))
    return same.filter(encryption_der=None) if encryption is None else same.filter(encryption_der=bytes(encryption))


def link_of(name: str, secret: str) -> str:
    return urljoin(settings.LETTERLOCK_URL, reverse(name, args=[secret]))


def _spent(organization: Organization | None, *, at: datetime) -> bool:
    today = Consent.objects.filter(created_at__gt=at - DAY)
    if organization is None:
        return today.filter(organization=None).count() >= MOST_BY_MAIL
    return today.filter(organization=organization).count() >= MOST_FOR_ORGANIZATION


def _check_issuer(certificates: Sequence[ParsedCertificate]) -> None:
    for parsed in certificates:
        if names_one_of_ours(x509.load_der_x509_certificate(parsed.der)) and not has_issued(parsed.der):
            raise ContributionRefusedError("forged_issuer")


@transaction.atomic
def _refused(reason: str, *, organization: Organization, actor: str, at: datetime) -> Consent:
    consent = Consent.objects.create(
        organization=organization, status=ConsentStatus.REFUSED, reason=reason, actor=actor, created_at=at, expires_at=at + LIFETIME
    )
    subject = f"consent:{consent.pk}"
    record(actor=actor, verb="contribution.refused", subject=subject, organization=organization, at=at, detail={"reason": reason})
    return consent


@transaction.atomic
def _ask(contribution: Contribution, *, organization: Organization | None, actor: str, at: datetime) -> Consent:
    address = contribution.address
    lock_mailbox(address.match, purpose="collect")
    consent = Consent(
        organization=organization,
        address=address.address,
        match=address.match,
        signer_der=contribution.signer.der,
        encryption_der=contribution.encryption.der if contribution.encryption else None,
        chain=list(contribution.chain),
        actor=actor,
        created_at=at,
        expires_at=at + LIFETIME,
    )
    earlier = same_certificates(consent).exclude(secret_digest=None)
    if not earlier.exists() and _may_ask(contribution, at=at):
        secret = secrets.token_urlsafe(SECRET_BYTES)
        consent.secret_digest = digest_of(secret)
        mail_question(consent, secret, at=at)
    elif not earlier.filter(status=ConsentStatus.AWAITING_CONSENT, expires_at__gt=at).exists():
        # Nobody is asked about it, so there is nothing to know it by; the answer to who handed it in is the same.
        consent.address, consent.match, consent.signer_der, consent.encryption_der, consent.chain = "", "", b"", None, []
    if organization is None and consent.secret_digest is None:
        return consent  # nobody can ask for it: nothing to keep
    consent.save(force_insert=True)
    record(actor=actor, verb="contribution.taken", subject=f"consent:{consent.pk}", organization=organization, at=at)
    return consent


def _may_ask(contribution: Contribution, *, at: datetime) -> bool:
    match, fingerprints = contribution.address.match, [parsed.fingerprint for parsed in contribution.certificates]
    known = Certificate.objects.filter(mailbox__match=match, fingerprint__in=fingerprints).count()
    return known < len(fingerprints) and not is_erased(match) and ask_budget(contribution.address, at=at)


def mail_question(consent: Consent, secret: str, *, at: datetime) -> None:
    """Store the mail with the link of this secret; the caller saves the consent, whose notice it is."""
    never = link_of("consent-never", secret)
    context = {
        "address": consent.address,
        "organization": consent.organization,
        "level": Level.V4,
        "url": link_of("consent", secret),
        "never_url": never,
        "days": max((consent.expires_at - at).days, 1),
        "hours": int(LINK_LIFETIME.total_seconds()) // 3600,
    }
    to = EmailAddress.parse(consent.address)
    consent.notice = send_notice(to=to, kind="consent", context=context, actor=consent.actor, at=at, unsubscribe=never)
