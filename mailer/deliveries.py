"""What became of mails after the relay took them, out of its log: `delivered`, `bounced`, and `delayed` on the way. Nothing is assumed.

(1) Read on from where the last reading ended, a bounded stretch, outside any transaction.
(2) In one transaction: move the place on, unless another reader was quicker; keep what is still in the queue; move what has left it.
A message may have several queue files, where a filter hands it back to the relay: it is at its end when all of them are.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.message_states import Step, move, note
from mailer.models import FINAL, Message, MessageStatus, RelayedMail, RelayLog
from mailer.relays.postfix_log import Clock, Line, LogError, logs_of, parse
from mailer.relays.postfix_tales import EXPIRED, Tale, tales
from mailer.words import without_addresses

logger = logging.getLogger(__name__)
RELAY_LOG = "system:relay-log"
STRETCH = 4 * 1024 * 1024
MOST_STRETCHES = 16
# A filter that hands a mail back is answered before the new queue file has its first line of the queue manager; a file that never gets
# one was refused after all.
COMPLETING = timedelta(minutes=10)
# Postfix itself gives up after five days.
KEPT = timedelta(days=30)


class Stretch(NamedTuple):
    """A part of the log that was read, and the place at which it ends."""

    inode: int
    end: int
    lines: list[Line]


def read_on(log: Path, *, at: datetime) -> int:
    """Read what is new in the relay's log, at most MOST_STRETCHES stretches; returns how many messages it was the end of."""
    ended = 0
    for _stretch in range(MOST_STRETCHES):
        place = RelayLog.objects.filter(path=str(log)).first()
        try:
            stretch = _next_stretch(log, place, at=at)
        except (OSError, LogError) as error:
            logger.warning("the relay's log cannot be read: %s", error)
            return ended
        told = tales(stretch.lines) if stretch else []
        with transaction.atomic():
            if stretch and not _move_on(log, place, stretch, at=at):
                # Another worker read the same part.
                return ended
            _keep(told, at=at)
            ended += _conclude(at=at)
        if stretch is None:
            break
    return ended


def _next_stretch(log: Path, place: RelayLog | None, *, at: datetime) -> Stretch | None:
    """None where nothing new was written. Raises OSError, LogError."""
    files = logs_of(log)
    known = {path.stat().st_ino: number for number, path in enumerate(files)}
    number, offset = len(files) - 1, 0
    if place is not None and place.inode in known:
        number, offset = known[place.inode], place.offset
    elif place is not None:
        logger.error("ALARM: %s was rotated before it was read; deliveries may have been missed", log)
    while True:
        path = files[number]
        # A log that was cut short in place begins anew.
        offset = offset if path.stat().st_size >= offset else 0
        with path.open("rb") as file:
            file.seek(offset)
            raw = file.read(STRETCH)
        whole = raw[: raw.rfind(b"\n") + 1] or (raw if len(raw) == STRETCH else b"")
        if whole:
            clock = Clock(at)
            found = (parse(line, clock) for line in whole.splitlines(keepends=True))
            return Stretch(path.stat().st_ino, offset + len(whole), [line for line in found if line is not None])
        # The next one only once it is written to: until then Postfix may still have the old one open.
        if number + 1 == len(files) or files[number + 1].stat().st_size == 0:
            return None
        number, offset = number + 1, 0


def _move_on(log: Path, place: RelayLog | None, stretch: Stretch, *, at: datetime) -> bool:
    if place is None:
        return RelayLog.objects.get_or_create(path=str(log), defaults={"inode": stretch.inode, "offset": stretch.end, "read_at": at})[1]
    same = RelayLog.objects.filter(pk=place.pk, inode=place.inode, offset=place.offset)
    return same.update(inode=stretch.inode, offset=stretch.end, read_at=at) == 1


def _keep(told: Sequence[Tale], *, at: datetime) -> None:
    """Add to the queue files that hold messages of ours what was told of them; a first deferral is an event."""
    rows = {row.queue: row for row in RelayedMail.objects.filter(queue__in={tale.queue for tale in told})}
    ours = dict(Message.objects.filter(message_id__in={tale.message_id for tale in told if tale.message_id}).values_list("message_id", "id"))
    people = {row.message_id for row in rows.values()} | set(ours.values())
    recipients = dict(Message.objects.filter(id__in=people).values_list("id", "match"))
    changed: list[RelayedMail] = []
    for tale in told:
        row = rows.get(tale.queue)
        if tale.message_id:
            if row is not None:
                # The name came again: what was kept under it is another mail.
                row.queue = f"{row.queue}#{row.pk or len(changed)}"
                changed.append(row)
            if tale.message_id not in ours:
                rows.pop(tale.queue, None)
                continue
            row = rows[tale.queue] = RelayedMail(queue=tale.queue, message_id=ours[tale.message_id])
        if row is None:
            continue
        recipient = recipients.get(row.message_id, "")
        if not recipient:
            # Erased: the words may name who it was.
            tale.words = ""
        if not _is_for(tale, recipient):
            # Somebody who knows the Message-ID sent another mail with it: it says nothing about ours.
            tale.is_delayed = tale.is_sent = tale.is_bounced = False
            tale.words = ""
        if tale.is_delayed and not row.is_delayed:
            note([row.message_id], event="delayed", detail=tale.words, actor=RELAY_LOG)
        _add(row, tale, at=at)
        changed.append(row)
    _store(changed)


def _is_for(tale: Tale, recipient: str) -> bool:
    """Whether what is told is of this folded address, also under an alias; after an erasure nobody can tell."""
    return not recipient or not tale.recipients or recipient in map(_folded, tale.recipients)


def _folded(address: str) -> str:
    try:
        return EmailAddress.parse(address).match
    except MalformedAddressError:
        return ""


def _add(row: RelayedMail, tale: Tale, *, at: datetime) -> None:
    for fact in ("is_taken", "is_delayed", "is_sent", "is_bounced", "is_closed"):
        setattr(row, fact, getattr(row, fact) or getattr(tale, fact))
    if tale.words:
        # Kept where an erasure does not look.
        words = f"{EXPIRED}; {row.words}" if tale.words == EXPIRED and row.words else tale.words
        row.words = without_addresses(words)
    row.seen_at = at


def _store(rows: Iterable[RelayedMail]) -> None:
    new: list[RelayedMail] = []
    old: list[RelayedMail] = []
    for row in {id(row): row for row in rows}.values():
        (old if row.pk else new).append(row)
    # First those that gave up their name.
    RelayedMail.objects.bulk_update(
        old, ["queue", "is_taken", "is_delayed", "is_sent", "is_bounced", "is_closed", "words", "seen_at"], batch_size=1000
    )
    RelayedMail.objects.bulk_create(new, batch_size=1000)


def _conclude(*, at: datetime) -> int:
    """Move the messages all of whose queue files are closed; those not handed over yet, as far as we know, wait for the reconciler."""
    RelayedMail.objects.filter(Q(seen_at__lt=at - KEPT) | Q(is_taken=False, is_closed=False, seen_at__lt=at - COMPLETING)).delete()
    closed = RelayedMail.objects.filter(is_closed=True).values("message_id")
    files: dict[UUID, list[RelayedMail]] = defaultdict(list)
    for row in RelayedMail.objects.filter(message_id__in=closed).order_by("id"):
        files[row.message_id].append(row)
    complete = {message: rows for message, rows in files.items() if all(row.is_closed for row in rows)}
    statuses = dict(Message.objects.filter(id__in=complete).values_list("id", "status"))
    steps: dict[str, list[Step]] = defaultdict(list)
    for message, rows in complete.items():
        if statuses.get(message) == MessageStatus.HANDED:
            outcome, words = _outcome(rows)
            steps[outcome].append(Step(message, detail=words, reply=words))
    moved = 0
    for target in (MessageStatus.DELIVERED, MessageStatus.BOUNCED):
        moved += len(move(steps[target], source=MessageStatus.HANDED, target=target, actor=RELAY_LOG))
    for step in steps["removed"]:
        note([step.message], event="removed_by_relay", actor=RELAY_LOG)
    over = [message for message in complete if statuses.get(message, MessageStatus.FAILED) in FINAL]
    RelayedMail.objects.filter(message_id__in=over).delete()
    return moved


def _outcome(rows: Sequence[RelayedMail]) -> tuple[str, str]:
    for row in rows:
        if row.is_bounced:
            return MessageStatus.BOUNCED.value, row.words
    sent = [row for row in rows if row.is_sent]
    # The last one is what left the house; those before it went through a filter. Neither: an operator deleted it from the queue.
    return (MessageStatus.DELIVERED.value, sent[-1].words) if sent else ("removed", "")
