"""Publish, supersede, revoke, hide, show and erase. Takes finished proofs: whoever calls has proven mailbox and key.

What was revoked is never published again, under whatever mailbox; what was erased is, as something new, once its owner has proven it anew.

Each verb locks the mailbox, changes its rows, prepares its answer anew and leaves an event and a `Change` for the mailer, in one transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.db.models import Q

from directory import answers
from directory.certificate_states import move
from directory.errors import EndedCertificateError, RevokedCertificateError, TooManyPublishedError
from directory.events import Verb, record
from directory.models import Answer, Certificate, CertificateStatus, Change, ChangeKind, Level, Mailbox, Organization, Source
from directory.publishing_rows import Begun, begin, lock_fingerprint, write_published
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress

MOST_PUBLISHED = 10
MOST_CHAIN = 5

# What remains of an erased certificate is its fingerprint, its times and what revoking it needs.
_ERASED_FACTS: dict[str, object] = {
    "der": b"",
    "spki": b"",
    "smime_capabilities": None,
    "name": "",
    "organization_name": "",
    "organization_identifier": "",
    "country": "",
    "chain": [],
    "trust": "",
    "judged_at": None,
}


@transaction.atomic
def publish(
    *,
    address: EmailAddress,
    parsed: ParsedCertificate,
    level: Level | str,
    source: Source | str,
    organization: Organization | None = None,
    chain: Sequence[bytes] = (),
    trust: str = "",
    proven_at: datetime | None = None,
    supersedes: Sequence[Certificate] = (),
    revives: bool = True,
    actor: str,
    at: datetime,
) -> Certificate:
    """Publish a certificate for a mailbox. What is published already is given back unchanged.

    `chain` are the intermediates that came with it, in DER, of which 5 are kept; `trust` is what the trust store said of it now, and
    `proven_at` when the mailbox was proven, if it was; `supersedes` are certificates of the same mailbox whose place it takes; `revives` says
    whether one that has left the answers comes back. Raises UnpublishableError, RevokedCertificateError, EndedCertificateError, or
    TooManyPublishedError (10 live ones a mailbox).
    """
    check_publishable(parsed, address=address, at=at)
    lock_fingerprint(parsed.fingerprint)
    begun = _lock_address(address, fingerprint=parsed.fingerprint, proven_at=proven_at)
    if begun.revoked:
        raise RevokedCertificateError("This certificate was revoked.")
    mailbox = begun.mailbox
    if not begun.new and proven_at is not None:
        note_proof(match=mailbox.match, at=proven_at)
    known = [] if begun.new else list(mailbox.certificates.all())
    certificate = next((one for one in known if one.fingerprint == parsed.fingerprint), None)
    if certificate is not None and certificate.status == CertificateStatus.PUBLISHED:
        return certificate
    if certificate is not None and not revives:
        raise EndedCertificateError("This certificate was taken out of the answers of this mailbox.")
    replaced = {old.pk for old in supersedes}
    live = [one for one in known if one.status == CertificateStatus.PUBLISHED]
    for old in live:
        if old.pk in replaced:
            move(old, CertificateStatus.SUPERSEDED, actor=actor, at=at, facts={"ended_at": at})
            _tell(mailbox, old, ChangeKind.ENDED, actor=actor, at=at)
    if sum(one.pk not in replaced and one.not_after > at for one in live) >= MOST_PUBLISHED:
        raise TooManyPublishedError(f"A mailbox has at most {MOST_PUBLISHED} published certificates.")
    facts = (
        facts_of(parsed)
        | identity_of(parsed, Level(level))
        | {
            "level": Level(level),
            "source": Source(source),
            "organization": organization,
            "chain": list(chain)[:MOST_CHAIN],
            "trust": trust,
            "judged_at": at if trust else None,
            "published_at": at,
            "ended_at": None,
        }
    )
    if certificate is None:
        certificate = Certificate(pk=begun.certificate_id, mailbox=mailbox, **facts)
        known.append(certificate)
        write_published(certificate, mailbox=mailbox, actor=actor)
    else:
        move(certificate, CertificateStatus.PUBLISHED, actor=actor, at=at, facts=facts)
        _tell(mailbox, certificate, ChangeKind.PUBLISHED, actor=actor, at=at)
    answers.prepare(mailbox, known, at=at)
    return certificate


def was_revoked(fingerprint: str) -> bool:
    """Whether this certificate was ever revoked, under whatever mailbox; that it was erased since does not matter."""
    return Certificate.objects.filter(Q(status=CertificateStatus.REVOKED) | ~Q(revocation_reason=""), fingerprint=fingerprint).exists()


def note_proof(*, match: str, at: datetime) -> None:
    """The owner of this mailbox, if it is known, has shown that mail to it is read."""
    Mailbox.objects.filter(match=match).update(proven_at=at, reverify_asked_at=None)


@transaction.atomic
def supersede(*, certificate: Certificate, actor: str, at: datetime) -> None:
    """Take a certificate out of the answers because another replaces it; raises IllegalMoveError."""
    _end(certificate, CertificateStatus.SUPERSEDED, actor=actor, at=at, facts={"ended_at": at})


@transaction.atomic
def revoke(*, certificate: Certificate, reason: str, actor: str, at: datetime) -> None:
    """Take a certificate out of the answers for ever, under every mailbox that it names; `reason` is one of RFC 5280 section 5.3.1.

    Raises IllegalMoveError.
    """
    lock_fingerprint(certificate.fingerprint)
    living = Certificate.objects.filter(fingerprint=certificate.fingerprint, status__in=[CertificateStatus.PUBLISHED, CertificateStatus.SUPERSEDED])
    # In the order of their mailboxes, so that two revocations never wait for each other.
    for one in sorted([certificate, *living.exclude(pk=certificate.pk)], key=lambda row: row.mailbox_id):
        facts = {"ended_at": one.ended_at or at, "revocation_reason": reason}
        _end(one, CertificateStatus.REVOKED, actor=actor, at=at, facts=facts, reason=reason)


@transaction.atomic
def judge(*, certificate: Certificate, level: Level | str, trust: str, actor: str, at: datetime) -> bool:
    """Note what the trust store says now of a published certificate from elsewhere; False where that is what it said before.

    With its level goes whether the holder's name is told. `certificate` as it was read before it was judged: one that has changed since is left.
    """
    level = Level(level)
    live = Certificate.objects.filter(pk=certificate.pk, status=CertificateStatus.PUBLISHED, level=certificate.level, trust=certificate.trust)
    if (certificate.level, certificate.trust) == (level, trust):
        live.update(judged_at=at)
        return False
    mailbox = _lock(certificate.mailbox)
    identity = identity_of(parse_certificate(bytes(certificate.der)), level) if level != certificate.level else {}
    if not live.update(level=level, trust=trust, judged_at=at, **identity):
        return False
    if certificate.trust or level != certificate.level:
        detail = {"level": level, "trust": trust, "before": certificate.level}
        subject = f"certificate:{certificate.fingerprint}"
        record(actor=actor, verb=Verb.CERTIFICATE_JUDGED, subject=subject, at=at, organization=certificate.organization, detail=detail)
    if level != certificate.level:
        # A sender may have waited for a better one.
        _announce(mailbox, certificate, ChangeKind.PUBLISHED, actor=actor, at=at)
    return True


@transaction.atomic
def hide(*, mailbox: Mailbox, actor: str, at: datetime) -> None:
    """Answer for this mailbox as if it were not known, now and for every past moment."""
    locked = _lock(mailbox)
    if locked.hidden_at is None:
        _set_mailbox(locked, hidden_at=at)
        record(actor=actor, verb=Verb.MAILBOX_HIDDEN, subject=f"mailbox:{locked.pk}", at=at)
        answers.prepare(locked, at=at)


@transaction.atomic
def show(*, mailbox: Mailbox, actor: str, at: datetime) -> None:
    """Answer for a hidden mailbox again."""
    locked = _lock(mailbox)
    if locked.hidden_at is not None:
        _set_mailbox(locked, hidden_at=None)
        record(actor=actor, verb=Verb.MAILBOX_SHOWN, subject=f"mailbox:{locked.pk}", at=at)
        answers.prepare(locked, at=at)
        Change.objects.create(kind=ChangeKind.PUBLISHED, match=locked.match, actor=actor, at=at)


@transaction.atomic
def erase(*, mailbox: Mailbox, actor: str, at: datetime) -> None:
    """Take a mailbox and all its certificates out of the answers at once, and forget what they say of their holder."""
    locked = _lock(mailbox)
    if locked.erased_at is not None:
        return
    for certificate in locked.certificates.exclude(status=CertificateStatus.ERASED):
        move(certificate, CertificateStatus.ERASED, actor=actor, at=at, facts=_ERASED_FACTS | {"ended_at": certificate.ended_at or at})
    locked.erased_at = at
    answers.prepare(locked, at=at)
    # Those that are done name nobody (`mailer.changes`), so that no index by address is needed, which each publication would pay for twice:
    # as it is written and as it is done. The pending ones have an index of their own, and are few.
    Change.objects.filter(match=locked.match, done_at=None).delete()
    # The row stays for the certificates' fingerprints, and no longer says whose they were.
    locked.address, locked.match = "", f"erased:{uuid4()}"
    locked.hidden_at = locked.proven_at = locked.reverify_asked_at = None
    locked.save()
    record(actor=actor, verb=Verb.MAILBOX_ERASED, subject=f"mailbox:{locked.pk}", at=at)


def refresh_answers(*, at: datetime, most: int = 1000) -> int:
    """Prepare anew what is past its `changes_at`, so that look-ups need not compute it; the number of answers done."""
    overdue = list(Answer.objects.filter(changes_at__lte=at).order_by("changes_at").values_list("match", flat=True)[:most])
    for match in overdue:
        with transaction.atomic():
            mailbox = Mailbox.objects.select_for_update().filter(match=match).first()
            if mailbox is None:  # deleted by hand, and its answer with it
                Answer.objects.filter(match=match).delete()
            else:
                answers.prepare(mailbox, at=at)
    return len(overdue)


def _lock_address(address: EmailAddress, *, fingerprint: str, proven_at: datetime | None) -> Begun:
    # Two first publications for one address race here: one inserts, the other waits for its row. An erasure meanwhile takes it away.
    while True:
        begun = begin(address, fingerprint=fingerprint, proven_at=proven_at)
        if begun.new:
            return begun
        mailbox = Mailbox.objects.select_for_update().filter(match=address.match).first()
        if mailbox is not None:
            return begun._replace(mailbox=mailbox)


def _lock(mailbox: Mailbox) -> Mailbox:
    return Mailbox.objects.select_for_update().get(pk=mailbox.pk)


def _set_mailbox(mailbox: Mailbox, **values: datetime | None) -> None:
    for name, value in values.items():
        setattr(mailbox, name, value)
    mailbox.save(update_fields=list(values))


def _end(certificate: Certificate, to: CertificateStatus, *, actor: str, at: datetime, facts: Mapping[str, object], reason: str = "") -> None:
    mailbox = _lock(certificate.mailbox)
    move(certificate, to, actor=actor, at=at, facts=facts, reason=reason)
    if mailbox.erased_at is None:
        _announce(mailbox, certificate, ChangeKind.ENDED, actor=actor, at=at)


def _announce(mailbox: Mailbox, certificate: Certificate, kind: ChangeKind, *, actor: str, at: datetime) -> None:
    answers.prepare(mailbox, at=at)
    _tell(mailbox, certificate, kind, actor=actor, at=at)


def _tell(mailbox: Mailbox, certificate: Certificate, kind: ChangeKind, *, actor: str, at: datetime) -> None:
    Change.objects.create(
        kind=kind,
        address=mailbox.address,
        match=mailbox.match,
        fingerprint=certificate.fingerprint,
        organization=certificate.organization,
        actor=actor,
        at=at,
    )


def identity_of(parsed: ParsedCertificate, level: Level) -> dict[str, object]:
    """Whom the certificate names, where its level says that this was validated; what any other certificate claims is not told on."""
    named = None if level in {Level.EXTERNAL, Level.V1} else parsed.identity
    return {
        "name": (named and named.name) or "",
        "organization_name": (named and named.organization) or "",
        "organization_identifier": ((named and named.organization_identifier) or "")[:100],
        "country": ((named and named.country) or "")[:2],
    }


def facts_of(parsed: ParsedCertificate) -> dict[str, object]:
    """The columns that are derived from the DER."""
    return {
        "fingerprint": parsed.fingerprint,
        "der": parsed.der,
        "spki": parsed.spki,
        "issuer_and_serial": parsed.issuer_and_serial,
        "issuer": parsed.issuer,
        "serial": parsed.serial,
        "can_sign": parsed.can_sign,
        "can_encrypt": parsed.can_encrypt,
        "key_type": parsed.key.type,
        "key_bits": parsed.key.bits,
        "key_curve": parsed.key.curve,
        "not_before": parsed.not_before,
        "not_after": parsed.not_after,
        "smime_capabilities": parsed.smime_capabilities,
    }
