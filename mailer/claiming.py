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

from directory.models import OrganizationStatus
from mailer.message_states import Step, move
from mailer.models import MessageStatus

CHUNK = 100
# Octets of text and attachments in a chunk, unless a single message has more: what a worker has in memory is a few times as much.
CHUNK_OCTETS = 4 * 1024 * 1024
# A message that ended its worker this often is an alarm; from here on its leases grow, up to an hour, so that it costs less and less.
MANY_ATTEMPTS = 5
WORKER = "system:worker"

_NOT_PAUSED = """NOT EXISTS (
        SELECT 1 FROM mailer_pause p WHERE p.resumed_at IS NULL
            AND (p.organization_id IS NULL OR p.organization_id = m.organization_id) AND (p.domain = '' OR p.domain = m.domain)
    )"""
# Locked in the order of their index, whatever the statistics say: they lag behind a queue, and a sort of all that waits for a hundred of it
# would take longer than the work. Contents are read once it is known how much of them fits.
_IN_ORDER = "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)"
_READY = f"""
WITH busy AS MATERIALIZED (
    SELECT domain, count(*) AS messages FROM mailer_message WHERE status IN ('sealing', 'sealed', 'handing') GROUP BY domain
)
SELECT m.id, m.domain, m.size, m.sealed IS NOT NULL, COALESCE((SELECT messages FROM busy WHERE busy.domain = m.domain), 0)
FROM mailer_message m
WHERE m.status = 'queued' AND m.not_before <= statement_timestamp() AND m.domain <> ALL(%(resting)s)
  AND NOT EXISTS (SELECT 1 FROM busy WHERE busy.domain = m.domain AND busy.messages >= %(most)s)
  AND NOT EXISTS (SELECT 1 FROM directory_organization o WHERE o.id = m.organization_id AND o.status <> %(active)s)
  AND {_NOT_PAUSED}
ORDER BY m.not_before, m.id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
"""  # noqa: S608 - put together from the constants above
_HELD = """
SELECT m.id, m.lease_token, m.attempt, m.status, m.organization_id, o.legal_name, b.identity_id, i.address, m.recipient, m.match, m.domain,
    m.message_id, b.on_missing, m.accepted_at, m.content, m.sealed, COALESCE(s.subject, 'neutral'), COALESCE(s.neutral_subject, '')
FROM mailer_message m JOIN mailer_batch b ON b.id = m.batch_id JOIN mailer_signingidentity i ON i.id = b.identity_id
    JOIN directory_organization o ON o.id = m.organization_id LEFT JOIN mailer_sendingpolicy s ON s.organization_id = m.organization_id
WHERE m.id = ANY(%s) ORDER BY m.not_before, m.id
"""
_RETAKE = f"""
WITH lapsed AS (
    SELECT m.id FROM mailer_message m
    WHERE m.status = %(status)s AND (m.lease_until IS NULL OR m.lease_until + make_interval(secs => %(grace)s) < statement_timestamp())
      AND (%(even_if_paused)s OR {_NOT_PAUSED})
    ORDER BY m.lease_until NULLS FIRST LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE mailer_message m SET lease_token = m.lease_token + 1, attempt = m.attempt + %(tries)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s) * LEAST(64, power(2, GREATEST(0, LEAST(m.attempt, 20) - %(many)s)))
FROM lapsed WHERE m.id = lapsed.id RETURNING m.id
"""  # noqa: S608 - as above


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
    """Messages held under a lease until `deadline`, a moment of this process's monotonic clock; `lapsed` if another worker had them before."""

    messages: Sequence[Held]
    deadline: float
    lapsed: bool = False

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


def claim(limit: int = CHUNK, *, lapsed: bool = True, resting: Collection[str] = ()) -> Claim:
    """The next messages to work on, none if there are none; those to the `resting` domains wait.

    What another worker let lapse comes first and one at a time: if that message is what ended the worker, it takes no other along.
    `lapsed` is false for a caller that has just looked for such messages.
    """
    deadline = time.monotonic() + lease().total_seconds()
    if lapsed:
        for status in (MessageStatus.SEALED, MessageStatus.SEALING):
            retaken = retake(status, limit=1, even_if_paused=False)
            if retaken:
                return Claim(_load(retaken), deadline, lapsed=True)
    with transaction.atomic():
        ready = _ready(limit, resting)
        taken: set[UUID] = set()
        for target in (MessageStatus.SEALING, MessageStatus.SEALED):
            steps = [Step(message) for message, is_sealed in ready if is_sealed is (target is MessageStatus.SEALED)]
            event = "" if target is MessageStatus.SEALING else "retried"
            taken |= move(steps, source=MessageStatus.QUEUED, target=target, actor=WORKER, event=event, take=lease())
    return Claim(_load(taken), deadline)


def _ready(limit: int, resting: Collection[str]) -> list[tuple[UUID, bool]]:
    """Lock what to take next, as far as its contents fit and its domains have room; with each, whether it has been sealed."""
    most = settings.LETTERLOCK_DOMAIN_MESSAGES
    with connection.cursor() as cursor:
        cursor.execute(_IN_ORDER)
        cursor.execute(_READY, {"resting": list(resting), "most": most, "active": OrganizationStatus.ACTIVE.value, "limit": limit})
        rows: list[tuple[UUID, str, int, bool, int]] = cursor.fetchall()
    ready: list[tuple[UUID, bool]] = []
    chosen: Counter[str] = Counter()
    octets = 0
    for message, domain, size, is_sealed, busy in rows:
        if ready and octets + size > CHUNK_OCTETS:
            break
        if busy + chosen[domain] < most:
            ready.append((message, is_sealed))
            chosen[domain] += 1
            octets += size
    return ready


def retake(
    status: MessageStatus,
    *,
    limit: int,
    hold: timedelta | None = None,
    grace: timedelta = timedelta(0),
    tries: int = 1,
    even_if_paused: bool = True,
) -> list[UUID]:
    """Take over messages of this status whose lease has lapsed; the old holder's token is void from here on."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RETAKE,
            {
                "status": status.value,
                "grace": grace.total_seconds(),
                "limit": limit,
                "lease": (hold or lease()).total_seconds(),
                "tries": tries,
                "many": MANY_ATTEMPTS,
                "even_if_paused": even_if_paused,
            },
        )
        return [row[0] for row in cursor.fetchall()]


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
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(ids)])
        return [Held(*row) for row in cursor.fetchall()]
