"""The life of a message: one table of transitions and one `move`, a compare-and-set that writes the send log in the same statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from directory.copying import fetch_bound
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
# A restored backup is behind the relay: what is not at its end here may have been handed over since.
AFTER_RESTORE: Mapping[MessageStatus, frozenset[MessageStatus]] = {
    source: frozenset({MessageStatus.HANDED}) for source in (MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.HELD, MessageStatus.SEALED)
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
    further_certificates: str | None = None
    reply: str | None = None
    delay: timedelta | None = None


# A column of steps in which nothing is given is not in the statement.
_TYPES = {
    "lease": "bigint", "detail": "text", "sealed": "bytea", "certificate": "text", "further_certificates": "text", "reply": "text",
    "delay": "float8",
}  # fmt: skip
# The relay may name the recipient without an address; where it does, the name is masked as a whole word. Whose name that would be is not known
# after an erasure: then all that the relay says is.
_PERSON = "lower(split_part(m.recipient, '@', 1)) AS person"
_MASKED = r"""CASE WHEN erased_at IS NOT NULL AND detail <> '' THEN %(mask)s WHEN length(person) > 2 AND strpos(lower(detail), person) > 0
    THEN regexp_replace(detail, '(^|\W)' || regexp_replace(person, '(\W)', '\\\1', 'g') || '(?=\W|$)', '\1' || %(mask)s, 'gi')
    ELSE detail END"""
_NOTE = f"""
    INSERT INTO mailer_sendevent (message_id, organization_id, at, attempt, event, detail, actor)
    SELECT id, organization_id, COALESCE(%(at)s::timestamptz, clock_timestamp()), attempt, %(event)s, {_MASKED}, %(actor)s
    FROM (SELECT m.*, %(detail)s::text AS detail, {_PERSON} FROM mailer_message m WHERE m.id = ANY(%(ids)s)) noted
    RETURNING message_id
"""  # noqa: S608 - put together from the constants above


class _Kind(NamedTuple):
    """All that a move's statement depends on."""

    columns: tuple[str, ...]
    source: MessageStatus
    target: MessageStatus
    takes: bool
    even_if_lapsed: bool
    free: bool


@lru_cache(maxsize=256)
def _statement(kind: _Kind) -> str:
    given, target = set(kind.columns), kind.target
    changes = ["status = %(target)s", "updated_at = clock_timestamp()"]
    if target not in _HAS_CONTENT:
        changes.append("content = NULL")
    if target not in _HAS_SEALED:
        changes.append("sealed = NULL")
    elif "sealed" in given:
        changes.append("sealed = COALESCE(s.sealed, m.sealed)")
    changes += [f"{name} = COALESCE(s.{name}, m.{name})" for name in ("certificate", "further_certificates") if name in given]
    if "reply" in given:
        changes.append("relay_reply = CASE WHEN m.erased_at IS NULL THEN COALESCE(s.reply, m.relay_reply) ELSE '' END")
    if "delay" in given:
        changes.append("not_before = COALESCE(clock_timestamp() + make_interval(secs => s.delay), m.not_before)")
    if kind.takes:
        changes += ["lease_until = clock_timestamp() + make_interval(secs => %(take)s)", "lease_token = m.lease_token + 1", "attempt = m.attempt + 1"]
    elif target not in _IS_LEASED:
        changes.append("lease_until = NULL")
    elif kind.free:
        changes.append("lease_until = clock_timestamp()")
    condition = ""
    if "lease" in given:
        lapsed = "" if kind.even_if_lapsed else " AND m.lease_until > clock_timestamp()"
        condition = f"AND (s.lease IS NULL OR (m.lease_token = s.lease{lapsed}))"
    # `b`: bound in binary, since as text a mail would be twice as long.
    arrays = ", ".join(f"%({name}){'b' if name == 'sealed' else 's'}::{_TYPES[name]}[]" for name in kind.columns)
    # COALESCE hides the status from the planner: by figures from before a large request it would read the index of all that is queued.
    # Names and types are this module's own; whatever comes from outside is a parameter.
    return f"""
        WITH step AS (
            SELECT * FROM unnest(%(ids)s::uuid[]{", " if arrays else ""}{arrays}) AS s({", ".join(("id", *kind.columns))})
        ), moved AS (
            UPDATE mailer_message m SET {", ".join(changes)}
            FROM step s WHERE m.id = s.id AND COALESCE(m.status, '') = %(source)s {condition}
            RETURNING m.id, m.organization_id, m.attempt{f", m.erased_at, s.detail, {_PERSON}" if "detail" in given else ""}
        )
        INSERT INTO mailer_sendevent (message_id, organization_id, at, attempt, event, detail, actor)
        SELECT id, organization_id, clock_timestamp(), attempt, %(event)s, {_MASKED if "detail" in given else "''"}, %(actor)s FROM moved
        RETURNING message_id
    """  # noqa: S608


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
    restored: bool = False,
) -> set[UUID]:
    """Move the messages that still have the status `source` (and, where a step names one, its lease); returns the ids of those moved.

    The event is the target's name unless `event` says more. `take` begins a lease and an attempt. `even_if_lapsed` accepts a lease that
    has run out but that nobody has taken over. `free` lets the lease lapse where the target would keep it. Content goes once a message is
    sealed or ended, the sealed mail once it is handed over or ended. Times are the database's: one clock for all workers. `restored` allows
    what AFTER_RESTORE does, and nothing else. Raises WrongTransitionError.
    """
    if target not in (AFTER_RESTORE if restored else TRANSITIONS).get(source, frozenset()):
        raise WrongTransitionError(f"{source} does not become {target}")
    if not steps:
        return set()
    # In one order everywhere: two moves of the same messages never wait for each other's rows.
    steps = sorted(steps, key=attrgetter("message"))
    values: dict[str, list[_Value]] = {
        "lease": [step.lease for step in steps],
        "detail": [without_addresses(step.detail) for step in steps],
        "sealed": [step.sealed for step in steps],
        "certificate": [step.certificate for step in steps],
        "further_certificates": [step.further_certificates for step in steps],
        "reply": [step.reply for step in steps],
        "delay": [step.delay.total_seconds() if step.delay else None for step in steps],
    }
    given = {name: column for name, column in values.items() if any(value not in {None, ""} for value in column)}
    kind = _Kind(tuple(given), source, target, take is not None, even_if_lapsed, free)
    parameters: dict[str, _Value | list[_Value]] = {
        **given,
        "ids": [step.message for step in steps],
        "source": source.value,
        "target": target.value,
        "take": take.total_seconds() if take else None,
        "event": event or target.value,
        "actor": actor,
        "mask": MASK,
    }
    return {row[0] for row in fetch_bound(_statement(kind), parameters)}


def note(messages: Sequence[UUID], *, event: str, actor: str, detail: str = "", at: datetime | None = None) -> None:
    """Write into the send log what is no change of status. With `at` None the time is the database's."""
    parameters = {"ids": list(messages), "at": at, "event": event, "detail": without_addresses(detail), "actor": actor, "mask": MASK}
    fetch_bound(_NOTE, parameters)
