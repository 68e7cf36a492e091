"""What delivery status notifications change: a mark with its source, where one names a message of ours and its recipient.

They are unproven: `actor` and words say so. One never makes us send again, and never overturns what our own relay's log has told.
"""

from dataclasses import dataclass

from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.dsn import Action, DeliveryStatus, Verdict
from mailer.message_states import Step, move, note
from mailer.models import Message, MessageStatus

DSN = "system:dsn"
UNPROVEN = "said by mail, unproven:"


@dataclass(frozen=True)
class Marked:
    """A message and the event that was written for it."""

    message: Message
    event: str


def mark(status: DeliveryStatus) -> Marked | None:
    """Write down what a notification says; None where it is about no message of ours, or about another recipient."""
    message = Message.objects.defer("content", "sealed").filter(message_id=status.message_id).first()
    if message is None:
        return None
    for verdict in status.verdicts:
        if message.match and message.match in map(_folded, verdict.addresses):
            return Marked(message, _mark(message, verdict))
    return None


def _mark(message: Message, verdict: Verdict) -> str:
    words = f"{UNPROVEN} {verdict.words}"
    target = {Action.FAILED: MessageStatus.BOUNCED, Action.DELIVERED: MessageStatus.DELIVERED}.get(verdict.action)
    if target and move([Step(message.id, detail=words)], source=MessageStatus.HANDED, target=target, actor=DSN):
        return target.value
    # Said twice, said after the log, or said of a message that is still in doubt: a line for whoever looks.
    event = f"dsn_{verdict.action}" if target else verdict.action.value
    if not message.events.filter(event=event, actor=DSN).exists():
        note([message.id], event=event, detail=words, actor=DSN)
    return event


def _folded(address: str) -> str:
    try:
        return EmailAddress.parse(address).match
    except MalformedAddressError:
        return ""
