"""Replacing a live certificate: its holder is told and may stop it, or its key agrees (edge rule 15).

1. What was proven is compared with what the mailbox has live, or had within the last 48 hours: certificates of other keys for the same use. What
   the CA of this house issued to the same organisation is none of them.
2. Where there is none, it is published at once; unless such were erased within the last 48 hours, which waits as (3) and nobody can agree to.
3. Else it waits for 48 hours. The mailbox is mailed a link that stops it; an organisation whose certificate it is finds it among its events.
4. Then it is judged once more and published, and what it can do all of is superseded. What the CA issued to an organisation ends by revocation alone.
5. A signed answer by every key that it replaces does (4) at once. A key that cannot sign cannot agree, nor can one that was revoked.

Rows are locked in the order replacement, mailbox, then publication or issuance.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from directory.errors import DirectoryError, RevokedCertificateError
from directory.events import record
from directory.models import Certificate, CertificateStatus, Level, Mailbox, Organization, Source
from directory.publishing import MOST_PUBLISHED, publish, was_revoked
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import X509Error
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress
from mailer import publication_states
from mailer.activating import activate, withdraw
from mailer.answering import AnswerError, Purpose, challenge_of, read_answer
from mailer.ca.errors import AuthorityError
from mailer.forgetting import let_in, lost_live_since
from mailer.identities import IdentityError
from mailer.inviting import SECRET_BYTES, digest_of
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Consent, Issuance, Publication, PublicationStatus, Replacement, ReplacementStatus
from mailer.notices import send_notice
from mailer.reply_addresses import proof_address
from mailer.smime.outcomes import Outcome
from mailer.trust_store import check_unrevoked, judge_foreign

WAIT = timedelta(hours=48)
WORKER = "system:worker"
# Why nobody can agree to what follows an erasure, beside the outcomes of a signature.
ERASED_KEY = "erased_key"
NO_KEY_LEFT = "no_key_left"
_CHUNK = 200

TRANSITIONS: Mapping[ReplacementStatus, frozenset[ReplacementStatus]] = {
    ReplacementStatus.WAITING: frozenset({ReplacementStatus.PUBLISHED, ReplacementStatus.STOPPED, ReplacementStatus.REFUSED}),
    ReplacementStatus.PUBLISHED: frozenset(),
    ReplacementStatus.STOPPED: frozenset(),
    ReplacementStatus.REFUSED: frozenset(),
}


class ReplacementError(Exception):
    """The root of why a replacement cannot be stopped or agreed to."""


class UnknownReplacementError(ReplacementError):
    """Nobody was sent this link."""


class EndedReplacementError(ReplacementError):
    """It waits no more: it was published, stopped or refused."""


class AlreadyWaitingError(DirectoryError):
    """The same certificate waits for this mailbox already, or too many do."""

    code = "already_waiting"


class _Judged(NamedTuple):
    level: Level | str
    trust: str


def publish_or_wait(
    *,
    address: EmailAddress,
    parsed: ParsedCertificate,
    level: Level | str,
    source: Source | str,
    organization: Organization | None = None,
    chain: Sequence[bytes] = (),
    trust: str = "",
    actor: str,
    at: datetime,
    publication: Publication | None = None,
    consent: Consent | None = None,
    issuance: Issuance | None = None,
    by_old_key: bool = False,
) -> Certificate | Replacement:
    """(1) to (3): publish what was proven now, or have it wait. `by_old_key` says that every key that it replaces has agreed.

    Raises UnpublishableError, RevokedCertificateError, TooManyPublishedError, AlreadyWaitingError; MissingKeyError where no mail can be stored.
    """
    row = Replacement(
        publication=publication,
        consent=consent,
        issuance=issuance,
        organization=organization,
        address=address.address,
        match=address.match,
        der=parsed.der,
        chain=list(chain),
        fingerprint=parsed.fingerprint,
        level=Level(level),
        source=Source(source),
        trust=trust,
        actor=actor,
        created_at=at,
        publish_at=at + WAIT,
    )
    with transaction.atomic():
        # Two that come at once must not both find the place empty.
        lock_mailbox(address.match, purpose="replace")
        # In this order: an erasure that commits between the two is seen by the second.
        if by_old_key or not (replaced_by(row, parsed, at=at) or follows_erasure(row)):
            return _publish(row, parsed, _Judged(level, trust), at=at)
        check_publishable(parsed, address=address, at=at)
        if was_revoked(parsed.fingerprint):
            raise RevokedCertificateError("This certificate was revoked.")
        return _wait(row, at=at)


def replaced_by(row: Replacement, parsed: ParsedCertificate, *, at: datetime) -> list[Certificate]:
    """(1) The certificates whose holder must be asked before this one is published."""
    mailbox = Certificate.objects.filter(mailbox__match=row.match, not_after__gt=at)
    if mailbox.filter(status=CertificateStatus.PUBLISHED, fingerprint=parsed.fingerprint).exists():
        return []
    just_ended = Q(status__in=[CertificateStatus.SUPERSEDED, CertificateStatus.REVOKED], ended_at__gt=at - WAIT)
    held = [
        old
        for old in mailbox.filter(Q(status=CertificateStatus.PUBLISHED) | just_ended).select_related("mailbox", "organization").order_by("id")
        if bytes(old.spki) != parsed.spki and not (_is_issued_to_an_organization(old) and old.organization_id == row.organization_id)
    ]
    signing = _of_one_use([old for old in held if parsed.can_sign and old.can_sign])
    encrypting = _of_one_use([old for old in held if parsed.can_encrypt and old.can_encrypt])
    return [old for old in held if old in signing or old in encrypting]


def follows_erasure(row: Replacement) -> bool:
    """(2) Whether what its mailbox had live was erased in the 48 hours before: whoever reads the mailbox for an hour could do that first."""
    return lost_live_since(row.match, row.created_at - WAIT)


def _of_one_use(held: list[Certificate]) -> list[Certificate]:
    """What is live, or else what ended just now: whoever reads the mailbox for an hour could take the old one out of the way first."""
    return [old for old in held if old.status == CertificateStatus.PUBLISHED] or held


def find_stop(secret: str) -> Replacement:
    """(3) What a mailed link stops. Raises UnknownReplacementError, EndedReplacementError."""
    return _check(Replacement.objects.filter(secret_digest=digest_of(secret)).first())


def stop(secret: str, at: datetime) -> Replacement:
    """(3) The old holder says no. Raises as `find_stop`."""
    with transaction.atomic():
        row = _check(Replacement.objects.select_for_update().filter(secret_digest=digest_of(secret)).first())
        _end(row, ReplacementStatus.STOPPED, actor=f"replacement:{row.id}", at=at, reason="stopped")
    return row


def stop_waiting(replacement_id: UUID, *, actor: str, at: datetime) -> Replacement:
    """(3) Whoever was shown to own the mailbox says no on a page of their own. Raises UnknownReplacementError, EndedReplacementError."""
    with transaction.atomic():
        row = _check(Replacement.objects.select_for_update().filter(pk=replacement_id).first())
        _end(row, ReplacementStatus.STOPPED, actor=actor, at=at, reason="stopped")
    return row


def forget(match: str, *, actor: str, at: datetime) -> None:
    """Stop all that waits for a folded address, and keep nothing of what it ever replaced. Call it before the mailbox is erased."""
    with transaction.atomic():
        for row in Replacement.objects.select_for_update().filter(match=match).order_by("id"):
            if row.status == ReplacementStatus.WAITING:
                # As an owner's no, so that whoever handed it in is not told of the erasure.
                _end(row, ReplacementStatus.STOPPED, actor=actor, at=at, reason="stopped")
            Replacement.objects.filter(pk=row.pk).update(address="", match=f"erased:{row.pk}", der=b"", chain=[])


def publish_due(at: datetime) -> int:
    """(4) Publish what has waited long enough; the number of replacements ended."""
    due = Replacement.objects.filter(status=ReplacementStatus.WAITING, publish_at__lte=at).order_by("publish_at")
    return sum(_finish(row, at=at) for row in list(due[:_CHUNK]))


def challenge(row: Replacement) -> str:
    """(5) What the old key must sign."""
    return challenge_of(Purpose.REPLACE, row.id)


def can_agree(row: Replacement, *, at: datetime) -> bool:
    """(5) Whether every key that it replaces can sign, and may still speak for its holder."""
    if follows_erasure(row):
        return False  # its keys are gone with it
    replaced = replaced_by(row, parse_certificate(bytes(row.der)), at=at)
    return bool(replaced) and all(old.can_sign and old.status != CertificateStatus.REVOKED for old in replaced)


def accept_old_key(replacement_id: UUID, answer: bytes, *, at: datetime) -> Replacement:
    """(5) Publish at once what every key that it replaces agrees to. Raises AnswerError, UnknownReplacementError, EndedReplacementError."""
    found = _check(Replacement.objects.filter(pk=replacement_id).first())
    if follows_erasure(found):
        raise AnswerError(ERASED_KEY)
    parsed = parse_certificate(bytes(found.der))
    agreed = set()
    for old in replaced_by(found, parsed, at=at):
        if old.status == CertificateStatus.REVOKED:
            raise AnswerError(Outcome.REVOKED)
        read_answer(answer, challenge=challenge(found), certificate_der=bytes(old.der), at=at)
        agreed.add(old.pk)
    if not agreed:
        raise AnswerError(NO_KEY_LEFT)  # what it would replace ended meanwhile: it waits until it is due
    judged = _judge(found, at=at)
    with transaction.atomic():
        row = _check(Replacement.objects.select_for_update().filter(pk=replacement_id).first())
        lock_mailbox(row.match, purpose="replace")
        # What was published meanwhile has not agreed: then it goes on waiting.
        if {old.pk for old in replaced_by(row, parsed, at=at)} <= agreed:
            _publish_waiting(row, parsed, judged, actor=f"replacement:{row.id}", at=at)
    return row


def _is_issued_to_an_organization(certificate: Certificate) -> bool:
    return certificate.source == Source.ISSUED and certificate.organization_id is not None


def _check(row: Replacement | None) -> Replacement:
    if row is None:
        raise UnknownReplacementError
    if not TRANSITIONS[ReplacementStatus(row.status)]:
        raise EndedReplacementError
    return row


def _publish(row: Replacement, parsed: ParsedCertificate, judged: _Judged, *, at: datetime) -> Certificate:
    """(2), (4). The mailbox was proven when the row was made."""
    return publish(
        address=EmailAddress.parse(row.address),
        parsed=parsed,
        level=judged.level,
        source=row.source,
        organization=row.organization,
        chain=[bytes(der) for der in row.chain],
        trust=judged.trust,
        proven_at=row.created_at,
        supersedes=[old for old in replaced_by(row, parsed, at=at) if _covers(parsed, old)],
        actor=row.actor,
        at=at,
    )


def _covers(parsed: ParsedCertificate, old: Certificate) -> bool:
    """Nobody misses the old one where the new one does all that it did."""
    return not _is_issued_to_an_organization(old) and (parsed.can_sign or not old.can_sign) and (parsed.can_encrypt or not old.can_encrypt)


def _wait(row: Replacement, *, at: datetime) -> Replacement:
    """(3)."""
    waiting = Replacement.objects.filter(match=row.match, status=ReplacementStatus.WAITING)
    same = waiting.filter(fingerprint=row.fingerprint).first()
    if same is not None and same.issuance_id is not None and same.issuance_id == row.issuance_id:
        return same  # its worker comes again
    if same is not None or waiting.count() >= MOST_PUBLISHED:
        raise AlreadyWaitingError("This certificate waits to replace another already.")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row.secret_digest = digest_of(secret)
    row.save(force_insert=True)
    parsed = parse_certificate(bytes(row.der))
    replaced = replaced_by(row, parsed, at=at)
    mailbox = Mailbox.objects.filter(match=row.match).first()  # None once it was erased
    send_notice(
        to=EmailAddress.parse(mailbox.address if mailbox else row.address),
        kind="replacement",
        context={
            "replacement": row,
            "parsed": parsed,
            "replaced": replaced,
            "follows_erasure": follows_erasure(row),
            "hours": WAIT.total_seconds() // 3600,
            "challenge": challenge(row),
            "can_agree": row.publication_id is not None and can_agree(row, at=at),
            "reply_to": proof_address(row.publication_id),
            "url": urljoin(settings.LETTERLOCK_URL, reverse("replacement", args=[secret])),
        },
        actor=row.actor,
        at=at,
        reply_to=proof_address(row.publication_id),
    )
    _note(row, at=at, actor=row.actor)
    # Whose certificate it would replace sees it among its own events.
    for organization in {old.organization for old in replaced if old.organization is not None} - {row.organization}:
        record(actor=row.actor, verb="replacement.announced", subject=f"replacement:{row.id}", organization=organization, at=at)
    return row


def _finish(found: Replacement, *, at: datetime) -> bool:
    """(4) One row; False where somebody else has it."""
    parsed = parse_certificate(bytes(found.der))
    judged = _judge(found, at=at)
    with transaction.atomic():
        row = Replacement.objects.select_for_update(skip_locked=True).filter(pk=found.pk, status=ReplacementStatus.WAITING).first()
        if row is None:
            return False
        lock_mailbox(row.match, purpose="replace")
        _publish_waiting(row, parsed, judged, actor=WORKER, at=at)
    return True


def _judge(row: Replacement, *, at: datetime) -> _Judged:
    """What the trust store says now: the issuer may have revoked it since. What this house issued needs no judgement."""
    if row.source == Source.ISSUED:
        return _Judged(row.level, row.trust)
    judged = judge_foreign(bytes(row.der), [bytes(der) for der in row.chain], at=at)
    return _Judged(judged.level, judged.trust)


def _publish_waiting(row: Replacement, parsed: ParsedCertificate, judged: _Judged, *, actor: str, at: datetime) -> None:
    """(4) The row is locked."""
    try:
        with transaction.atomic():
            check_unrevoked(judged.trust)
            certificate = _publish(row, parsed, judged, at=at)
            if row.issuance is not None:
                activate(row.issuance, certificate, actor=actor, at=at)
    except (X509Error, DirectoryError, AuthorityError, IdentityError) as error:
        _end(row, ReplacementStatus.REFUSED, actor=actor, at=at, reason=error.code if isinstance(error, X509Error | DirectoryError) else "withdrawn")
    else:
        _end(row, ReplacementStatus.PUBLISHED, actor=actor, at=at)


def _end(row: Replacement, target: ReplacementStatus, *, actor: str, at: datetime, reason: str = "") -> None:
    """Change the locked row's status and end what it came from, in one transaction."""
    row.status, row.reason, row.ended_at = target, reason, at
    Replacement.objects.filter(pk=row.pk, status=ReplacementStatus.WAITING).update(status=target, reason=reason, ended_at=at)
    _note(row, at=at, actor=actor)
    is_published = target == ReplacementStatus.PUBLISHED
    if row.publication is not None:
        ended = PublicationStatus.PUBLISHED if is_published else PublicationStatus.REFUSED
        publication_states.move(row.publication, ended, actor=actor, at=at, reason=reason)
        if is_published and let_in(row.match):
            subject = f"publication:{row.publication.id}"
            record(actor=actor, verb="mailbox.let_in", subject=subject, organization=row.publication.organization, at=at)
    if row.issuance is not None and not is_published:
        withdraw(row.issuance, actor=actor, at=at, reason=reason)


def _note(row: Replacement, *, at: datetime, actor: str) -> None:
    """The row's new status as an event, with the reason if there is one."""
    detail = {"reason": row.reason} if row.reason else None
    verb, subject = f"replacement.{row.status}", f"replacement:{row.id}"
    record(actor=actor, verb=verb, subject=subject, organization=row.organization, at=at, detail=detail)
