"""How the outbox stands, for those who run it: what is in which status, since when the oldest waits, what is in doubt."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Min

from mailer.models import Message, MessageStatus
from mailer.outbox import depth

# Counting goes no further: the page is needed most when the queue is longest.
COUNTED = 100_000
UNDER_WAY = (MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.HELD, MessageStatus.UNKNOWN)


class OutboxState(NamedTuple):
    """`counts` go up to `COUNTED`. `due_since` is the moment from which the oldest queued message could have been taken, None where none is due.

    `is_full`: new messages are answered with 429.
    """

    counts: Mapping[MessageStatus, int]
    due_since: datetime | None
    is_full: bool


def outbox_state(*, at: datetime) -> OutboxState:
    """Each count by its partial index, never over what has ended."""
    counts = {status: Message.objects.filter(status=status)[:COUNTED].count() for status in UNDER_WAY}
    due = Message.objects.filter(status=MessageStatus.QUEUED, not_before__lte=at).aggregate(since=Min("not_before"))
    return OutboxState(counts, due["since"], depth.is_full())


def unknown_count() -> int:
    """Of how many messages nobody knows whether the relay took them: each is an alarm."""
    return Message.objects.filter(status=MessageStatus.UNKNOWN)[:COUNTED].count()
