"""Mails whose handing over nobody saw the end of: their worker died, or the session broke, between `handing` and the relay's answer.

They are never sent again blindly. The relay's records decide; what they do not tell becomes `unknown`, with an alarm.
"""

import logging
from datetime import timedelta

from mailer.claiming import retake
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus
from mailer.relays import Outcome, RelayAnswers

logger = logging.getLogger(__name__)
RECONCILER = "system:reconciler"
CHUNK = 500
# How long an answer may take, and how long until `unknown` is asked for again.
LEASE = timedelta(seconds=60)
# Past the lease, for the last octets of a session that is ending.
GRACE = timedelta(seconds=1)


def reconcile(relay: RelayAnswers) -> int:
    """Settle what is in doubt; returns how many messages were asked for. The relay is asked outside any transaction."""
    asked = 0
    for source in (MessageStatus.HANDING, MessageStatus.UNKNOWN):
        ids = retake(source, limit=CHUNK, hold=LEASE, grace=GRACE, tries=0)
        if ids:
            _settle(list(Message.objects.filter(id__in=ids).defer("sealed", "content")), source, relay)
            asked += len(ids)
    return asked


class NotUnknownError(Exception):
    """Only a message of which nobody knows whether the relay took it can be settled by hand."""


def settle(message: Message, *, taken: bool, actor: str, reason: str) -> None:
    """An operator has read the relay's records: the message was handed over, or is to be offered again. Raises NotUnknownError."""
    target, event = (MessageStatus.HANDED, "reconciled_handed") if taken else (MessageStatus.SEALED, "reconciled_not_taken")
    step = Step(message.id, detail=reason)
    if not move([step], source=MessageStatus.UNKNOWN, target=target, event=event, actor=actor, free=True):
        raise NotUnknownError("this message is not, or no longer, unknown")


def _settle(messages: list[Message], source: MessageStatus, relay: RelayAnswers) -> None:
    outcomes = relay.outcomes([message.message_id for message in messages])
    steps: dict[Outcome, list[Step]] = {outcome: [] for outcome in Outcome}
    for message in messages:
        steps[outcomes.get(message.message_id, Outcome.IN_DOUBT)].append(Step(message.id, message.lease_token))
    move(steps[Outcome.TAKEN], source=source, target=MessageStatus.HANDED, event="reconciled_handed", actor=RECONCILER)
    move(steps[Outcome.NOT_TAKEN], source=source, target=MessageStatus.SEALED, event="reconciled_not_taken", actor=RECONCILER, free=True)
    if source == MessageStatus.HANDING:
        for unknown in move(steps[Outcome.IN_DOUBT], source=source, target=MessageStatus.UNKNOWN, actor=RECONCILER):
            logger.error("ALARM: whether the relay took message %s is unknown", unknown)
