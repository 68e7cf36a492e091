"""Taking messages to work on: leases on the database's clock, `SKIP LOCKED`, so that workers never wait for or disturb each other.

The worker's own deadline starts before the claim, so it always ends before the lease does.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from directory.models import OrganizationStatus
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus

CHUNK = 50
# A message that ended its worker this often is an alarm; from here on its leases grow, up to an hour, so that it costs less and less.
MANY_ATTEMPTS = 5
WORKER = "system:worker"

_QUEUED = """
SELECT m.id, m.sealed IS NOT NULL FROM mailer_message m JOIN directory_organization o ON o.id = m.organization_id
WHERE m.status = 'queued' AND m.not_before <= statement_timestamp() AND o.status = %s
ORDER BY m.not_before, m.id LIMIT %s FOR UPDATE OF m SKIP LOCKED
"""
_RETAKE = """
WITH lapsed AS (
    SELECT id FROM mailer_message
    WHERE status = %(status)s AND (lease_until IS NULL OR lease_until + make_interval(secs => %(grace)s) < statement_timestamp())
    ORDER BY lease_until NULLS FIRST LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE mailer_message m SET lease_token = m.lease_token + 1, attempt = m.attempt + %(tries)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s) * LEAST(64, power(2, GREATEST(0, LEAST(m.attempt, 20) - %(many)s)))
FROM lapsed WHERE m.id = lapsed.id RETURNING m.id
"""


def lease() -> timedelta:
    """How long a worker holds what it took. The relay's idle timeout is shorter: who wakes after its lease finds its session closed."""
    return timedelta(seconds=settings.LETTERLOCK_LEASE_SECONDS)


@dataclass(frozen=True)
class Claim:
    """Messages held under a lease until `deadline`, a moment of this process's monotonic clock."""

    messages: Sequence[Message]
    deadline: float

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


def claim(limit: int = CHUNK) -> Claim:
    """The next messages to work on, none if there are none.

    What another worker let lapse comes first and one at a time: if that message is what ended the worker, it takes no other along.
    """
    deadline = time.monotonic() + lease().total_seconds()
    for status in (MessageStatus.SEALED, MessageStatus.SEALING):
        retaken = retake(status, limit=1)
        if retaken:
            return Claim(_load(retaken), deadline)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_QUEUED, [OrganizationStatus.ACTIVE.value, limit])
        ready: list[tuple[UUID, bool]] = cursor.fetchall()
        for target in (MessageStatus.SEALING, MessageStatus.SEALED):
            steps = [Step(message) for message, has_bytes in ready if has_bytes is (target is MessageStatus.SEALED)]
            move(
                steps,
                source=MessageStatus.QUEUED,
                target=target,
                actor=WORKER,
                event="" if target is MessageStatus.SEALING else "retried",
                take=lease(),
            )
    return Claim(_load([message for message, _ in ready]), deadline)


def retake(status: MessageStatus, *, limit: int, hold: timedelta | None = None, grace: timedelta = timedelta(0), tries: int = 1) -> list[UUID]:
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
            },
        )
        return [row[0] for row in cursor.fetchall()]


def give_back(messages: Sequence[Message]) -> None:
    """End the lease of messages that there was no time for, so that they are taken at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mailer_message m SET lease_until = NULL FROM unnest(%s::uuid[], %s::bigint[]) AS held(id, token) "
            "WHERE m.id = held.id AND m.lease_token = held.token AND m.status IN ('sealing', 'sealed')",
            [[message.id for message in messages], [message.lease_token for message in messages]],
        )


def _load(ids: Sequence[UUID]) -> list[Message]:
    if not ids:
        return []
    found = {message.id: message for message in Message.objects.select_related("batch__identity", "organization").filter(id__in=ids)}
    return [found[message] for message in ids]
