"""How the outbox stands, for those who run it: what is in which status, and whether more is taken."""

from collections.abc import Mapping
from typing import NamedTuple

from mailer.models import Message, MessageStatus
from mailer.outbox import depth

# Counting goes no further: the page is needed most when the queue is longest.
COUNTED = 100_000
UNDER_WAY = (MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.HELD, MessageStatus.UNKNOWN)


class OutboxState(NamedTuple):
    """`counts` go up to `COUNTED`. `is_full`: new messages are answered with 429."""

    counts: Mapping[MessageStatus, int]
    is_full: bool


def outbox_state() -> OutboxState:
    """Each count by its partial index, never over what has ended."""
    counts = {status: Message.objects.filter(status=status)[:COUNTED].count() for status in UNDER_WAY}
    return OutboxState(counts, depth.is_full())


def unknown_count() -> int:
    """Of how many messages nobody knows whether the relay took them: each is an alarm."""
    return Message.objects.filter(status=MessageStatus.UNKNOWN)[:COUNTED].count()
