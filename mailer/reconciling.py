"""Mails whose handing over nobody saw the end of: their worker died, or the session broke, between `handing` and the relay's answer.

They are never sent again blindly. The relay's records decide; what they do not tell becomes `unknown`, with an alarm.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Max

from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus, SendEvent
from mailer.relays import Mail, Outcome, RelayAnswers

logger = logging.getLogger(__name__)
RECONCILER = "system:reconciler"
CHUNK = 500
# Past the lease, for the last octets of a session that is ending.
GRACE = timedelta(seconds=1)
# The number of the advisory lock; any that is used for nothing else.
_LOCK = 0x1E77E710C

# A message that ended many workers has a long lease, but no worker hands over longer than one lease after it said so:
# whatever the row's lease says, the alarm does not wait for more.
_TAKE_OVER = """
WITH lapsed AS (
    SELECT id FROM mailer_message
    WHERE status = %(status)s
      AND (lease_until IS NULL OR lease_until + make_interval(secs => %(grace)s) < statement_timestamp()
           OR (lease_until > statement_timestamp() + make_interval(secs => %(answer)s)
               AND updated_at + make_interval(secs => %(lease)s + %(grace)s) < statement_timestamp()))
    ORDER BY lease_until NULLS FIRST LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE mailer_message m SET lease_token = m.lease_token + 1, lease_until = clock_timestamp() + make_interval(secs => %(answer)s)
FROM lapsed WHERE m.id = lapsed.id RETURNING m.id, m.updated_at + make_interval(secs => 1.5 * %(lease)s) < statement_timestamp()
"""


class NotUnknownError(Exception):
    """Only a message of which nobody knows whether the relay took it can be settled by hand."""


def reconcile(relay: RelayAnswers) -> int:
    """Settle what is in doubt; returns how many messages were asked for. The relay is asked outside any transaction.

    One reconciler at a time: a relay that is slow to tell must not be asked the same by ever more of them.
    """
    asked = 0
    with _alone() as is_alone:
        for source in (MessageStatus.HANDING, MessageStatus.UNKNOWN) if is_alone else ():
            held = _take_over(source)
            if held:
                _settle(held, source, relay)
                asked += len(held)
    return asked


def settle(message: Message, *, taken: bool, actor: str, reason: str) -> None:
    """An operator has read the relay's records: the message was handed over, or is to be offered again. Raises NotUnknownError."""
    target, event = (MessageStatus.HANDED, "reconciled_handed") if taken else (MessageStatus.SEALED, "reconciled_not_taken")
    step = Step(message.id, detail=reason)
    if not move([step], source=MessageStatus.UNKNOWN, target=target, event=event, actor=actor, free=True):
        raise NotUnknownError("this message is not, or no longer, unknown")


def asked_for(messages: Sequence[Message]) -> list[Mail]:
    """What the relay is asked: each mail, offered before the moment that its last `handing` was committed, handed over after it."""
    said = SendEvent.objects.filter(message_id__in=[message.id for message in messages], event=MessageStatus.HANDING.value)
    moments = dict(said.values_list("message_id").annotate(Max("at")))
    return [
        Mail(message.message_id, since=moments.get(message.id, message.accepted_at), until=moments.get(message.id, message.updated_at))
        for message in messages
    ]


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process reconciles; the lock ends with this process's connection if not before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        row: tuple[bool] | None = cursor.fetchone()
        is_alone = row is not None and row[0]
        try:
            yield is_alone
        finally:
            if is_alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _take_over(status: MessageStatus) -> dict[UUID, bool]:
    """Messages whose worker had its time, for as long as an answer may take, and whether that was long ago."""
    lease = settings.LETTERLOCK_LEASE_SECONDS
    values: dict[str, str | float] = {"status": status.value, "grace": GRACE.total_seconds(), "lease": lease, "answer": lease / 4, "limit": CHUNK}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_OVER, values)
        return dict(cursor.fetchall())


def _settle(held: Mapping[UUID, bool], source: MessageStatus, relay: RelayAnswers) -> None:
    messages = list(Message.objects.filter(id__in=held).defer("sealed", "content"))
    outcomes = relay.outcomes(asked_for(messages))
    steps: dict[Outcome, list[Step]] = {outcome: [] for outcome in Outcome}
    for message in messages:
        outcome = outcomes.get(message.message_id, Outcome.IN_DOUBT)
        # A session that is about to end is waited for, but not so long that the alarm comes late.
        too_long = outcome is Outcome.NOT_YET and held[message.id]
        steps[Outcome.IN_DOUBT if too_long else outcome].append(Step(message.id, message.lease_token))
    move(steps[Outcome.TAKEN], source=source, target=MessageStatus.HANDED, event="reconciled_handed", actor=RECONCILER, even_if_lapsed=True)
    move(
        steps[Outcome.NOT_TAKEN],
        source=source,
        target=MessageStatus.SEALED,
        event="reconciled_not_taken",
        actor=RECONCILER,
        even_if_lapsed=True,
        free=True,
    )
    if source == MessageStatus.HANDING:
        for unknown in move(steps[Outcome.IN_DOUBT], source=source, target=MessageStatus.UNKNOWN, actor=RECONCILER, even_if_lapsed=True):
            logger.error("ALARM: whether the relay took message %s is unknown", unknown)
