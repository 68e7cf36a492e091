"""Reading the send log, and taking back what has not been sealed."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from directory.models import Organization
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus, SendEvent

_CANCELLABLE = (MessageStatus.QUEUED, MessageStatus.HELD)


class NotCancellableError(Exception):
    """The message is past the point at which it could be taken back; `status` is where it is."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class BadCursorError(ValueError):
    """Not a cursor that this module made."""


@dataclass(frozen=True)
class Cursor:
    """The last message of a page: the next one begins after it, newest first."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        return base64.urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises BadCursorError."""
        try:
            at, _space, message = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii").rpartition(" ")
            moment = datetime.fromisoformat(at)
            if moment.tzinfo is None:
                raise BadCursorError("not a cursor")
            # Python knows offsets, and years with them, that the database does not.
            return cls(moment.astimezone(UTC), UUID(message))
        except (ValueError, OverflowError, binascii.Error) as error:
            raise BadCursorError("not a cursor") from error


def messages_of(organization: Organization, *, status: str = "", to: str = "", reference: str = "", after: Cursor | None = None) -> QuerySet[Message]:
    """The organisation's messages, newest first, without their content. `to` is a folded address, `reference` the sender's own id."""
    messages = Message.objects.filter(organization=organization).defer("content", "sealed").order_by("-accepted_at", "-id")
    if status:
        messages = messages.filter(status=status)
    if to:
        messages = messages.filter(match=to)
    if reference:
        messages = messages.filter(reference=reference)
    if after is not None:
        messages = messages.filter(Q(accepted_at__lt=after.at) | Q(accepted_at=after.at, id__lt=after.id))
    return messages


def events_of(message: Message) -> QuerySet[SendEvent]:
    """What became of a message, in order."""
    return SendEvent.objects.filter(message=message).order_by("id")


def cancel(message: Message, *, actor: str) -> None:
    """Take back what is queued or held; its content is gone at once. Raises NotCancellableError.

    A message that a worker takes in the same moment is either cancelled or sent, never both.
    """
    with transaction.atomic():
        # Locked, so that it is not held or released between the look and the move.
        status = Message.objects.select_for_update().values_list("status", flat=True).get(pk=message.pk)
        if status not in _CANCELLABLE:
            raise NotCancellableError(status)
        move([Step(message.id)], source=MessageStatus(status), target=MessageStatus.CANCELLED, actor=actor)
