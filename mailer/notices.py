"""The outbox of the portal's own mails: stored in the transaction of what they tell of, encrypted, handed over once by a worker.

All have the null return path (RFC 5321 section 4.5.5). What was in doubt is not sent again: whoever waits for a mail can ask for another.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from directory.events import record
from directory.x509.names import EmailAddress
from mailer.claiming import lease
from mailer.custody import DamagedSecretError, WrongKeyError, decrypt_for, encrypt_for
from mailer.domain_signing import signed
from mailer.models import Notice, NoticeStatus
from mailer.notice_mail import clear_mail, new_message_id, words
from mailer.pausing import active_pauses
from mailer.smtp.lane import End, Ended
from mailer.smtp.wire import Mail
from mailer.transport import Rest, hand_over
from mailer.waking import wake_outbox

logger = logging.getLogger(__name__)
# The owner of the data key under which the portal keeps what is its own.
PORTAL = UUID("1e77e710-c000-4000-8000-000000000001")
PORTAL_ACTOR = "system:portal"
CHUNK = 20
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
GIVE_UP = timedelta(days=1)
KEPT = timedelta(days=30)
# Whether the yearly question was handed over is asked for longer (`mailer.reverifying`).
KEPT_LONGER = {"reverify": timedelta(days=90)}
# The kind of the mail that tells of an erasure: once it is sent, nothing is to name the address any more.
LAST_MAIL = "last_mail"

TRANSITIONS: Mapping[NoticeStatus, frozenset[NoticeStatus]] = {
    NoticeStatus.QUEUED: frozenset({NoticeStatus.HANDING, NoticeStatus.FAILED}),
    NoticeStatus.HANDING: frozenset({NoticeStatus.HANDED, NoticeStatus.QUEUED, NoticeStatus.FAILED, NoticeStatus.UNKNOWN}),
    NoticeStatus.HANDED: frozenset(),
    NoticeStatus.FAILED: frozenset(),
    NoticeStatus.UNKNOWN: frozenset(),
}
# A restored backup is behind the relay, which may have taken since what is still queued here.
AFTER_RESTORE: Mapping[NoticeStatus, frozenset[NoticeStatus]] = {NoticeStatus.QUEUED: frozenset({NoticeStatus.HANDED})}


class WrongTransitionError(Exception):
    """The table has no such line: a mistake in the code."""


def send_notice(
    *,
    to: EmailAddress,
    kind: str,
    context: Mapping[str, object],
    at: datetime,
    language: str = "",
    actor: str = PORTAL_ACTOR,
    unsubscribe: str = "",
    reply_to: str = "",
    template: str = "",
) -> Notice:
    """Store a mail of the words in `templates/mail/<kind>`, or in those of `template`, to be sent once this transaction has committed."""
    message_id = new_message_id()
    mail = clear_mail(
        words(template or kind, context, language=language), to=to, message_id=message_id, at=at, unsubscribe=unsubscribe, reply_to=reply_to
    )
    return store_notice(mail, to=to, kind=kind, message_id=message_id, actor=actor, at=at)


def store_notice(mail: bytes, *, to: EmailAddress, kind: str, message_id: str, actor: str, at: datetime) -> Notice:
    """Store a finished mail, to be sent once this transaction has committed. Raises MissingKeyError."""
    notice_id = uuid4()
    notice = Notice.objects.create(
        id=notice_id,
        kind=kind,
        recipient=to.address,
        match=to.match,
        message_id=message_id,
        content=encrypt_for(PORTAL, mail, context=_context(notice_id)),
        not_before=at,
        actor=actor,
        created_at=at,
        updated_at=at,
    )
    wake_outbox()
    return notice


def deliver_notices(*, at: datetime) -> int:
    """Hand over what is ready; returns how many were claimed."""
    deadline = time.monotonic() + lease().total_seconds()
    claimed = _claim(at=at)
    mails = []
    for notice in claimed:
        try:
            octets = decrypt_for(PORTAL, bytes(notice.content or b""), context=_context(notice.id))
        except (WrongKeyError, DamagedSecretError) as error:
            logger.exception("notice %s cannot be read", notice.id)
            _move(notice, NoticeStatus.QUEUED, NoticeStatus.FAILED, at=at, reply=type(error).__name__)
            continue
        # By its own time: whenever it is handed over, it is the same mail.
        octets = signed(octets, sender=settings.LETTERLOCK_MAIL_FROM, at=notice.created_at)
        mails.append(Mail(notice.id, "", notice.recipient, octets, notice.match.rpartition("@")[2]))
    book = _Book(claimed, at=at)
    rest = hand_over(mails, book, deadline=deadline) if mails else Rest([])
    for mail in rest.mails:
        if rest.fault:
            _later(book.notices[mail.key], f"relay unreachable: {rest.fault}", source=NoticeStatus.QUEUED, at=at)
    return len(claimed)


class _Book:
    """What becomes of each notice. There are few, so each change is a statement of its own."""

    def __init__(self, notices: Sequence[Notice], *, at: datetime) -> None:
        self.notices: dict[object, Notice] = {notice.id: notice for notice in notices}
        self._at = at

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[UUID]:
        for one in ended:
            self._end(self.notices[one.mail.key], one)
        offered = [self.notices[mail.key] for mail in accepted]
        return {notice.id for notice in offered if _move(notice, NoticeStatus.QUEUED, NoticeStatus.HANDING, at=self._at)}

    def _end(self, notice: Notice, one: Ended) -> None:
        words = one.words or str(one.reply)
        source = NoticeStatus.QUEUED if one.end in {End.REFUSED, End.UNANSWERED} else NoticeStatus.HANDING
        if one.end is End.TAKEN:
            _move(notice, source, NoticeStatus.HANDED, at=self._at, reply=words)
        elif one.end is End.IN_DOUBT:
            logger.warning("notice %s is in doubt: %s", notice.id, words)
        elif one.reply is not None and one.reply.for_good:
            _move(notice, source, NoticeStatus.FAILED, at=self._at, reply=words)
        else:
            _later(notice, words, source=source, at=self._at)


def settle_notices(*, at: datetime) -> int:
    """End what was in doubt when its worker's lease ended, and forget what is long over."""
    over = Notice.objects.exclude(status__in=[NoticeStatus.QUEUED, NoticeStatus.HANDING])
    over.filter(created_at__lt=at - KEPT).exclude(kind__in=KEPT_LONGER).delete()
    for kind, kept in KEPT_LONGER.items():
        over.filter(kind=kind, created_at__lt=at - kept).delete()
    lapsed = list(Notice.objects.filter(status=NoticeStatus.HANDING, lease_until__lt=Now()))
    for notice in lapsed:
        if _move(notice, NoticeStatus.HANDING, NoticeStatus.UNKNOWN, at=at, reply="in doubt"):
            logger.error("notice %s (%s) is in doubt and is not sent again", notice.id, notice.kind)
    return len(lapsed)


def forget_mails(match: str, *, kept_kinds: Collection[str], kept_as: str, at: datetime) -> None:
    """Drop the mails to a folded address, but for those that a worker hands over just now; call it in the transaction of its erasure.

    Those of `kept_kinds` are kept without address and content under `kept_as`, to be counted; none of them is sent any more.
    """
    ours = Notice.objects.filter(match=match).exclude(status=NoticeStatus.HANDING)
    # A worker that has one of these in hands finds it gone before it says DATA.
    ours.exclude(kind__in=kept_kinds).delete()
    ours.filter(status=NoticeStatus.QUEUED).update(status=NoticeStatus.FAILED, content=None, lease_until=None, updated_at=at)
    ours.update(recipient="", match=kept_as, relay_reply="")


def hand_restored(notice: Notice, *, reply: str, actor: str, at: datetime) -> bool:
    """Write down that the relay had taken a queued notice before the backup that holds it was restored; False where it is queued no more."""
    with transaction.atomic():
        is_moved = _move(notice, NoticeStatus.QUEUED, NoticeStatus.HANDED, at=at, reply=reply, table=AFTER_RESTORE)
        if is_moved:
            record(actor=actor, verb="notice.restored_handed", subject=f"notice:{notice.id}", at=at)
    return is_moved


def _claim(*, at: datetime) -> list[Notice]:
    """Lease what is ready and not paused; the lease is on the database's clock. The portal is no organisation, so no organisation's pause is its."""
    paused = set(active_pauses().filter(organization=None).values_list("domain", flat=True))
    if "" in paused:
        return []
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    with transaction.atomic():
        ready = Notice.objects.select_for_update(skip_locked=True).filter(free, status=NoticeStatus.QUEUED, not_before__lte=at)
        for domain in paused:
            ready = ready.exclude(match__endswith=f"@{domain}")
        ids = list(ready.order_by("not_before").values_list("id", flat=True)[:CHUNK])
        held = Notice.objects.filter(id__in=ids)
        held.update(lease_token=F("lease_token") + 1, attempt=F("attempt") + 1, lease_until=Now() + lease())
        return list(held.order_by("not_before"))


def _later(notice: Notice, words_of_relay: str, *, source: NoticeStatus, at: datetime) -> None:
    if at - notice.created_at > GIVE_UP:
        _move(notice, source, NoticeStatus.FAILED, at=at, reply=words_of_relay)
        return
    pause = min(FIRST_PAUSE * 2 ** min(notice.attempt - 1, 10), LONGEST_PAUSE)
    if source == NoticeStatus.QUEUED:
        # No change of status: it was never offered.
        Notice.objects.filter(pk=notice.pk, status=source, lease_token=notice.lease_token).update(
            not_before=at + pause, relay_reply=words_of_relay, lease_until=None, updated_at=at
        )
    else:
        _move(notice, source, NoticeStatus.QUEUED, at=at, reply=words_of_relay, not_before=at + pause)


def _move(
    notice: Notice,
    source: NoticeStatus,
    target: NoticeStatus,
    *,
    at: datetime,
    reply: str | None = None,
    not_before: datetime | None = None,
    table: Mapping[NoticeStatus, frozenset[NoticeStatus]] = TRANSITIONS,
) -> bool:
    """Compare-and-set on status and lease. The row is its own record; content goes when nothing more will be sent."""
    if target not in table.get(source, frozenset()):
        raise WrongTransitionError(f"{source} does not become {target}")
    changes: dict[str, object] = {"status": target, "updated_at": at}
    if reply is not None:
        changes["relay_reply"] = reply
    if not_before is not None:
        changes["not_before"] = not_before
    if target != NoticeStatus.HANDING:
        changes["lease_until"] = None
    if not TRANSITIONS[target]:
        changes["content"] = None
        if notice.kind == LAST_MAIL:
            changes |= {"recipient": "", "match": "", "relay_reply": ""}
    return Notice.objects.filter(pk=notice.pk, status=source, lease_token=notice.lease_token).update(**changes) == 1


def _context(notice: UUID) -> str:
    return f"notice:{notice}"
