"""The life of a message: one table of transitions and one `move`, a compare-and-set that writes the send log in the same statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from mailer.models import MessageStatus
from mailer.words import MASK, without_addresses

# Who acts next: QUEUED, SEALING, SEALED and HANDING the workers, HELD the recipient, UNKNOWN the operator or the relay's records.
TRANSITIONS: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    MessageStatus.QUEUED: frozenset({MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.CANCELLED}),
    MessageStatus.SEALING: frozenset({MessageStatus.SEALED, MessageStatus.HELD, MessageStatus.FAILED}),
    MessageStatus.HELD: frozenset({MessageStatus.QUEUED, MessageStatus.EXPIRED, MessageStatus.CANCELLED}),
    MessageStatus.SEALED: frozenset({MessageStatus.HANDING, MessageStatus.QUEUED, MessageStatus.FAILED}),
    MessageStatus.HANDING: frozenset(
        {MessageStatus.HANDED, MessageStatus.QUEUED, MessageStatus.FAILED, MessageStatus.SEALED, MessageStatus.UNKNOWN},
    ),
    MessageStatus.HANDED: frozenset({MessageStatus.DELIVERED, MessageStatus.BOUNCED}),
    MessageStatus.UNKNOWN: frozenset({MessageStatus.HANDED, MessageStatus.SEALED}),
    MessageStatus.DELIVERED: frozenset(),
    MessageStatus.BOUNCED: frozenset(),
    MessageStatus.FAILED: frozenset(),
    MessageStatus.EXPIRED: frozenset(),
    MessageStatus.CANCELLED: frozenset(),
}
_HAS_CONTENT = frozenset({MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.HELD})
_HAS_SEALED = frozenset({MessageStatus.QUEUED, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.UNKNOWN})
# The reconciler's lease on UNKNOWN is when it asks again.
_IS_LEASED = frozenset({MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.UNKNOWN})

_Value = str | bool | float | bytes | UUID | None


class WrongTransitionError(Exception):
    """The table has no such line: a mistake in the code, not in the data."""


class Step(NamedTuple):
    """One message of a move and what is written with it; None leaves a column as it is.

    `lease` is the token under which the mover holds the message, None where the status it leaves is nobody's.
    """

    message: UUID
    lease: int | None = None
    detail: str = ""
    sealed: bytes | None = None
    certificate: str | None = None
    reply: str | None = None
    delay: timedelta | None = None


_MOVE = r"""
WITH step AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(leases)s::bigint[], %(details)s::text[], %(sealed)s::bytea[], %(certificates)s::text[],
                         %(replies)s::text[], %(delays)s::float8[])
        AS s(id, lease, detail, sealed, certificate, reply, delay)
), moved AS (
    UPDATE mailer_message m SET
        status = %(target)s,
        updated_at = clock_timestamp(),
        content = CASE WHEN %(keep_content)s THEN m.content END,
        sealed = CASE WHEN %(keep_sealed)s THEN COALESCE(s.sealed, m.sealed) END,
        certificate = COALESCE(s.certificate, m.certificate),
        relay_reply = CASE WHEN m.erased_at IS NULL THEN COALESCE(s.reply, m.relay_reply) ELSE '' END,
        not_before = COALESCE(clock_timestamp() + make_interval(secs => s.delay), m.not_before),
        lease_until = CASE WHEN %(take)s::float8 IS NOT NULL THEN clock_timestamp() + make_interval(secs => %(take)s::float8)
                           WHEN %(keep_lease)s THEN m.lease_until END,
        lease_token = m.lease_token + CASE WHEN %(take)s::float8 IS NULL THEN 0 ELSE 1 END,
        attempt = m.attempt + CASE WHEN %(take)s::float8 IS NULL THEN 0 ELSE 1 END
    FROM step s
    WHERE m.id = s.id AND m.status = %(source)s
      AND (s.lease IS NULL OR (m.lease_token = s.lease AND (%(lapsed)s OR m.lease_until > clock_timestamp())))
    RETURNING m.id, m.organization_id, m.attempt, s.detail, lower(split_part(m.recipient, '@', 1)) AS person
)
INSERT INTO mailer_sendevent (message_id, organization_id, at, attempt, event, detail, actor)
SELECT id, organization_id, clock_timestamp(), attempt, %(event)s,
       CASE WHEN length(person) > 2 AND strpos(lower(detail), person) > 0
            THEN regexp_replace(detail, '(^|\W)' || regexp_replace(person, '(\W)', '\\\1', 'g') || '(?=\W|$)', '\1' || %(mask)s, 'gi')
            ELSE detail END,
       %(actor)s FROM moved
RETURNING message_id
"""


def move(
    steps: Sequence[Step],
    *,
    source: MessageStatus,
    target: MessageStatus,
    actor: str,
    event: str = "",
    take: timedelta | None = None,
    even_if_lapsed: bool = False,
    free: bool = False,
) -> set[UUID]:
    """Move the messages that still have the status `source` (and, where a step names one, its lease); returns the ids of those moved.

    The event is the target's name unless `event` says more. `take` begins a lease and an attempt. `even_if_lapsed` accepts a lease that
    has run out but that nobody has taken over. `free` ends the lease where the target would keep it. Content goes once a message is
    sealed or ended, the sealed mail once it is handed over or ended. Times are the database's: one clock for all workers.
    Raises WrongTransitionError.
    """
    if target not in TRANSITIONS[source]:
        raise WrongTransitionError(f"{source} does not become {target}")
    if not steps:
        return set()
    parameters: dict[str, _Value | list[_Value]] = {
        "ids": [step.message for step in steps],
        "leases": [step.lease for step in steps],
        "details": [without_addresses(step.detail) for step in steps],
        "sealed": [step.sealed for step in steps],
        "certificates": [step.certificate for step in steps],
        "replies": [step.reply for step in steps],
        "delays": [step.delay.total_seconds() if step.delay else None for step in steps],
        "source": source.value,
        "target": target.value,
        "keep_content": target in _HAS_CONTENT,
        "keep_sealed": target in _HAS_SEALED,
        "keep_lease": target in _IS_LEASED and not free,
        "take": take.total_seconds() if take else None,
        "lapsed": even_if_lapsed,
        "event": event or target.value,
        "actor": actor,
        "mask": MASK,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, parameters)
        return {row[0] for row in cursor.fetchall()}


def note(messages: Sequence[UUID], *, event: str, actor: str, detail: str = "", at: datetime | None = None) -> None:
    """Write into the send log what is no change of status. With `at` None the time is the database's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailer_sendevent (message_id, organization_id, at, attempt, event, detail, actor) "
            "SELECT id, organization_id, COALESCE(%s::timestamptz, clock_timestamp()), attempt, %s, %s, %s FROM mailer_message WHERE id = ANY(%s)",
            [at, event, without_addresses(detail), actor, list(messages)],
        )
