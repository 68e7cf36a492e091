"""Taking messages to work on: leases on the database's clock, `SKIP LOCKED`, so that workers never wait for or disturb each other.

The worker's own deadline starts before the claim, so it always ends before the lease does.
"""

import time
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
# Octets of content in a chunk, unless a single message has more: what a worker has in memory is a few times as much.
CHUNK_OCTETS = 4 * 1024 * 1024
# A message that ended its worker this often is an alarm; from here on its leases grow, up to an hour, so that it costs less and less.
MANY_ATTEMPTS = 5
WORKER = "system:worker"

_NOT_PAUSED = """NOT EXISTS (
        SELECT 1 FROM mailer_pause p WHERE p.resumed_at IS NULL
            AND (p.organization_id IS NULL OR p.organization_id = m.organization_id) AND (p.domain = '' OR p.domain = m.domain)
    )"""
_COLUMNS = """r.id, r.lease_token, r.attempt, r.status, r.organization_id, o.legal_name, b.identity_id, i.address, r.recipient, r.match, r.domain,
    r.message_id, b.on_missing, r.accepted_at, r.content, r.sealed, COALESCE(s.subject, 'neutral'), COALESCE(s.neutral_subject, '')"""
_JOINS = """JOIN mailer_batch b ON b.id = r.batch_id JOIN mailer_signingidentity i ON i.id = b.identity_id
    JOIN directory_organization o ON o.id = r.organization_id LEFT JOIN mailer_sendingpolicy s ON s.organization_id = r.organization_id"""
# `FOR UPDATE` gives the row as it is once locked, so the token read here is the one that `move` goes on from.
_READY = f"""
WITH busy AS MATERIALIZED (
    SELECT domain, count(*) AS messages FROM mailer_message WHERE status IN ('sealing', 'sealed', 'handing') GROUP BY domain
), ready AS MATERIALIZED (
    SELECT m.* FROM mailer_message m
    WHERE m.status = 'queued' AND m.not_before <= statement_timestamp() AND m.domain <> ALL(%(resting)s)
      AND NOT EXISTS (SELECT 1 FROM busy WHERE busy.domain = m.domain AND busy.messages >= %(most)s)
      AND NOT EXISTS (SELECT 1 FROM directory_organization o WHERE o.id = m.organization_id AND o.status <> %(active)s)
      AND {_NOT_PAUSED}
    ORDER BY m.not_before, m.id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED
), placed AS (
    SELECT r.*, COALESCE(busy.messages, 0) + row_number() OVER (PARTITION BY r.domain ORDER BY r.not_before, r.id) AS place,
           sum(r.size) OVER (ORDER BY r.not_before, r.id) - r.size AS octets_before
    FROM ready r LEFT JOIN busy ON busy.domain = r.domain
)
SELECT {_COLUMNS} FROM placed r {_JOINS}
WHERE r.place <= %(most)s AND r.octets_before < %(octets)s ORDER BY r.not_before, r.id
"""  # noqa: S608 - put together from the constants above
_HELD = f"SELECT {_COLUMNS} FROM mailer_message r {_JOINS} WHERE r.id = ANY(%s)"  # noqa: S608 - as above
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
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _READY,
            {
                "resting": list(resting),
                "most": settings.LETTERLOCK_DOMAIN_MESSAGES,
                "active": OrganizationStatus.ACTIVE.value,
                "limit": limit,
                "octets": CHUNK_OCTETS,
            },
        )
        ready = [Held(*row) for row in cursor.fetchall()]
        held: list[Held] = []
        for target in (MessageStatus.SEALING, MessageStatus.SEALED):
            chosen = [message for message in ready if (message.sealed is not None) is (target is MessageStatus.SEALED)]
            event = "" if target is MessageStatus.SEALING else "retried"
            steps = [Step(message.id) for message in chosen]
            taken = move(steps, source=MessageStatus.QUEUED, target=target, actor=WORKER, event=event, take=lease())
            for message in chosen:
                # As `move` has left them.
                message.status, message.lease_token, message.attempt = target, message.lease_token + 1, message.attempt + 1
            held += [message for message in chosen if message.id in taken]
    return Claim(held, deadline)


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


def _load(ids: Sequence[UUID]) -> list[Held]:
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(ids)])
        return [Held(*row) for row in cursor.fetchall()]
