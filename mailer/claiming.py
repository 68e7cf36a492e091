"""Taking messages to work on: leases on the database's clock, `SKIP LOCKED`, so that workers never wait for or disturb each other.

The worker's own deadline starts before the claim, so it always ends before the lease does.
"""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from directory.copying import fetch_bound
from directory.models import OrganizationStatus
from mailer.message_states import Step, move
from mailer.models import MessageStatus

CHUNK = 100
# Octets of text and attachments in a chunk, unless a single message has more: what a worker has in memory is a few times as much.
CHUNK_OCTETS = 4 * 1024 * 1024
# A message that ended its worker this often is an alarm; from here on its leases grow, up to an hour, so that it costs less and less.
MANY_ATTEMPTS = 5
WORKER = "system:worker"
# A walk through all that is queued that took this long is not made again for twenty times as long, while there is work behind its end.
SLOW_SECONDS, SPARED = 0.05, 20
_MOST_LOOKS = 10
_BEGINNING: tuple[str | datetime, UUID] = "-infinity", UUID(int=0)

_NOT_PAUSED = """NOT EXISTS (
        SELECT 1 FROM mailer_pause p WHERE p.resumed_at IS NULL
            AND (p.organization_id IS NULL OR p.organization_id = m.organization_id) AND (p.domain = '' OR p.domain = m.domain)
    )"""
_OF_ACTIVE = "NOT EXISTS (SELECT 1 FROM directory_organization o WHERE o.id = m.organization_id AND o.status <> %(active)s)"
# One worker at a time chooses (the lock's number is this one's alone): each must see what the others have taken, or together they take more of
# a domain than its share. Who is stopped in the middle loses its transaction, and so the lock, after ten seconds.
# Rows are locked in the order of their index, whatever the statistics say: they lag behind a queue, and a sort of all that waits for a hundred of it
# would take longer than the work. Contents are read once it is known how much of them fits.
_IN_ORDER = """
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('idle_in_transaction_session_timeout', '10s', true), pg_advisory_xact_lock(8178790669)
"""
_READY = f"""
WITH busy AS MATERIALIZED (
    SELECT domain, count(*) AS messages FROM mailer_message WHERE status IN ('sealing', 'sealed', 'handing') GROUP BY domain
)
SELECT m.id, m.domain, m.size, m.sealed IS NOT NULL, COALESCE((SELECT messages FROM busy WHERE busy.domain = m.domain), 0), m.not_before
FROM mailer_message m
WHERE m.status = 'queued' AND m.not_before <= statement_timestamp() AND (m.not_before, m.id) > (%(after)s::timestamptz, %(after_id)s::uuid)
  AND m.domain <> ALL(%(resting)s)
  AND NOT EXISTS (SELECT 1 FROM busy WHERE busy.domain = m.domain AND busy.messages >= %(most)s)
  AND {_OF_ACTIVE} AND {_NOT_PAUSED}
ORDER BY m.not_before, m.id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608 - put together from the constants above
_HELD = """
SELECT m.id, m.lease_token, m.attempt, m.status, m.organization_id, o.legal_name, b.identity_id, i.address, m.recipient, m.match, m.domain,
    m.message_id, b.on_missing, m.accepted_at, m.content, m.sealed, COALESCE(s.subject, 'neutral'), COALESCE(s.neutral_subject, '')
FROM mailer_message m JOIN mailer_batch b ON b.id = m.batch_id JOIN mailer_signingidentity i ON i.id = b.identity_id
    JOIN directory_organization o ON o.id = m.organization_id LEFT JOIN mailer_sendingpolicy s ON s.organization_id = m.organization_id
WHERE m.id = ANY(%(ids)s) ORDER BY m.not_before, m.id
"""
# Given back for want of time: nobody died of these.
_GIVEN_BACK = f"""
SELECT m.id, m.size FROM mailer_message m
WHERE m.status IN ('sealing', 'sealed') AND m.lease_until IS NULL AND {_OF_ACTIVE} AND {_NOT_PAUSED}
LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608 - as above
_LAPSED = f"""
SELECT m.id, m.size FROM mailer_message m
WHERE m.status IN ('sealing', 'sealed') AND m.lease_until < statement_timestamp() AND {_OF_ACTIVE} AND {_NOT_PAUSED}
ORDER BY m.lease_until LIMIT 1 FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608 - as above
_RETAKE = """
UPDATE mailer_message m SET lease_token = m.lease_token + 1, attempt = m.attempt + %(tries)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s) * LEAST(64, power(2, GREATEST(0, LEAST(m.attempt, 20) - %(many)s)))
WHERE m.id = ANY(%(ids)s)
"""


def lease() -> timedelta:
    """How long a worker holds what it took. The relay's idle timeout is shorter: who wakes after its lease finds its session closed."""
    return timedelta(seconds=settings.LETTERLOCK_LEASE_SECONDS)


@dataclass(slots=True)
class Held:
    """A message under this worker's lease, with all that sealing and handing over need. `content` is encrypted."""

    id: UUID
    lease_token: int
    attempt: int
    status: str
    organization: UUID
    legal_name: str
    identity: UUID
    sender: str
    recipient: str
    match: str
    domain: str
    message_id: str
    on_missing: str
    accepted_at: datetime
    content: bytes | None
    sealed: bytes | None
    subject_policy: str
    neutral_subject: str


@dataclass(frozen=True)
class Claim:
    """Messages held under a lease until `deadline`, a moment of this process's monotonic clock; `retaken` if a worker had them before."""

    messages: Sequence[Held]
    deadline: float
    retaken: bool = False


def claim(limit: int = CHUNK, *, retaking: bool = True, resting: Collection[str] = ()) -> Claim:
    """The next messages to work on, none if there are none; those to the `resting` domains wait.

    First what a worker gave back; then what one let lapse, one at a time: if that message is what ended the worker, it takes no other along.
    `retaking` is false for a caller that has just looked for both.
    """
    deadline = time.monotonic() + lease().total_seconds()
    if retaking:
        for statement, tries in ((_GIVEN_BACK, 0), (_LAPSED, 1)):
            retaken = _retake(statement, limit, tries)
            if retaken:
                return Claim(_load(retaken), deadline, retaken=True)
    with transaction.atomic():
        ready = _ready(limit, resting)
        taken: set[UUID] = set()
        for target in (MessageStatus.SEALING, MessageStatus.SEALED):
            steps = [Step(message) for message, is_sealed in ready if is_sealed is (target is MessageStatus.SEALED)]
            event = "" if target is MessageStatus.SEALING else "retried"
            taken |= move(steps, source=MessageStatus.QUEUED, target=target, actor=WORKER, event=event, take=lease())
    return Claim(_load(taken), deadline)


class _Front:
    """Where this process begins to look: what stands before it was kept back when all was last looked at.

    A pause may keep back a hundred thousand messages, and those behind them must not wait for a walk past all of these at each claim.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self.place = _BEGINNING


_front = _Front()


def _ready(limit: int, resting: Collection[str]) -> list[tuple[UUID, bool]]:
    """Lock what to take next, as far as its contents fit and its domains have room; with each, whether it has been sealed."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_ORDER)
        if time.monotonic() < _front.until:
            ready = _look(cursor, limit, resting, begin=_front.place)
            if ready:
                return ready
        started = time.monotonic()
        ready = _look(cursor, limit, resting, begin=_BEGINNING)
        looked = time.monotonic()
        _front.until = looked + SPARED * (looked - started) if looked - started > SLOW_SECONDS else 0.0
        return ready


def _look(cursor: CursorWrapper, limit: int, resting: Collection[str], *, begin: tuple[str | datetime, UUID]) -> list[tuple[UUID, bool]]:
    most = settings.LETTERLOCK_DOMAIN_MESSAGES
    ready: list[tuple[UUID, bool]] = []
    chosen: Counter[str] = Counter()
    octets = 0
    left_out = set(resting)
    after, after_id = begin
    # Where a domain that is at its share fills what was looked at, the others are looked for behind it.
    for _ in range(_MOST_LOOKS):
        wanted = limit - len(ready)
        values = {"resting": list(left_out), "after": after, "after_id": after_id, "limit": wanted}
        cursor.execute(_READY, {**values, "most": most, "active": OrganizationStatus.ACTIVE.value})
        rows: list[tuple[UUID, str, int, bool, int, datetime]] = cursor.fetchall()
        before = len(left_out)
        for message, domain, size, is_sealed, busy, not_before in rows:
            after, after_id = not_before, message
            if not ready:
                _front.place = after, after_id
            elif octets + size > CHUNK_OCTETS:
                return ready
            if busy + chosen[domain] < most:
                ready.append((message, is_sealed))
                chosen[domain] += 1
                octets += size
            else:
                left_out.add(domain)
        if len(left_out) == before or len(rows) < wanted:
            break
    return ready


def _retake(statement: str, limit: int, tries: int) -> list[UUID]:
    """Take over, as far as their contents fit, what this statement locks; an old holder's token is void from here on."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"active": OrganizationStatus.ACTIVE.value, "limit": limit})
        ids: list[UUID] = []
        octets = 0
        for message, size in cursor.fetchall():
            octets += size
            if ids and octets > CHUNK_OCTETS:
                break
            ids.append(message)
        if ids:
            cursor.execute(_RETAKE, {"ids": ids, "lease": lease().total_seconds(), "tries": tries, "many": MANY_ATTEMPTS})
        return ids


def give_back(messages: Sequence[Held]) -> None:
    """End the lease of messages that there was no time for, so that they are taken at once."""
    if not messages:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mailer_message m SET lease_until = NULL FROM unnest(%s::uuid[], %s::bigint[]) AS held(id, token) "
            "WHERE m.id = held.id AND m.lease_token = held.token AND m.status IN ('sealing', 'sealed')",
            [[message.id for message in messages], [message.lease_token for message in messages]],
        )


def _load(ids: Collection[UUID]) -> list[Held]:
    if not ids:
        return []
    return [Held(*row) for row in fetch_bound(_HELD, {"ids": list(ids)})]
