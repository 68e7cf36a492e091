"""After a backup was restored: everything is held until the relay has told what it took since the backup.

The relay's log is younger than the database, so whatever is not at its end here may have been sent: also what is still queued.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus, Notice, NoticeStatus
from mailer.notices import hand_restored
from mailer.pausing import NotPausedError, pause, resume
from mailer.relays import Mail, Outcome, RelayAnswers

RESTORED = "restored from a backup: what the relay took since is being found out"
CHUNK = 500
# HANDING and UNKNOWN are the reconciler's, paused or not.
_OPEN = (MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HELD)


@dataclass
class Inventory:
    """How many messages the relay had, had not, and did not tell of; `handing` are left to the reconciler."""

    taken: int = 0
    not_taken: int = 0
    in_doubt: list[UUID] = field(default_factory=list)
    handing: int = 0


def hold(*, actor: str, at: datetime) -> None:
    """Pause everything. To be done before any worker sees the restored database."""
    pause(reason=RESTORED, actor=actor, at=at)


def take_stock(relay: RelayAnswers, *, actor: str, at: datetime) -> Inventory:
    """Ask the relay for all that is not at its end, and write down what it took. May be repeated while something is in doubt.

    No session begun before `at` is still open when NOT_TAKEN is answered, and none is begun during the pause.
    """
    found = Inventory()
    for messages in _chunks():
        # Since it came to its status it was not offered, as far as this database knows; what came after that, the relay knows.
        outcomes = relay.outcomes([Mail(message.message_id, since=message.updated_at, until=at, was_offered=False) for message in messages])
        for status in _OPEN:
            of_status = [message for message in messages if message.status == status]
            taken = [Step(message.id) for message in of_status if outcomes.get(message.message_id) is Outcome.TAKEN]
            moved = move(taken, source=status, target=MessageStatus.HANDED, event="restored_handed", actor=actor, restored=True)
            found.taken += len(moved)
        found.not_taken += sum(outcomes.get(message.message_id) is Outcome.NOT_TAKEN for message in messages)
        found.in_doubt += [message.id for message in messages if outcomes.get(message.message_id) not in {Outcome.TAKEN, Outcome.NOT_TAKEN}]
    _take_stock_of_notices(relay, found, actor=actor, at=at)
    found.handing = Message.objects.filter(status__in=[MessageStatus.HANDING, MessageStatus.UNKNOWN]).count()
    return found


def go_on(*, actor: str, at: datetime) -> bool:
    """End the pause; False where somebody has ended it already."""
    try:
        resume(actor=actor, at=at)
    except NotPausedError:
        return False
    return True


def _take_stock_of_notices(relay: RelayAnswers, found: Inventory, *, actor: str, at: datetime) -> None:
    """The portal's own mails; those that were being handed over are never sent again anyhow."""
    queued = list(Notice.objects.filter(status=NoticeStatus.QUEUED).only("id", "message_id", "lease_token", "updated_at"))
    outcomes = relay.outcomes([Mail(notice.message_id, since=notice.updated_at, until=at, was_offered=False) for notice in queued])
    taken = [notice for notice in queued if outcomes.get(notice.message_id) is Outcome.TAKEN]
    found.taken += sum(hand_restored(notice, reply=RESTORED, actor=actor, at=at) for notice in taken)
    found.not_taken += sum(outcomes.get(notice.message_id) is Outcome.NOT_TAKEN for notice in queued)
    found.in_doubt += [notice.id for notice in queued if outcomes.get(notice.message_id) not in {Outcome.TAKEN, Outcome.NOT_TAKEN}]


def _chunks() -> Iterator[list[Message]]:
    last = UUID(int=0)
    while True:
        chunk = list(Message.objects.filter(status__in=_OPEN, id__gt=last).order_by("id").only("id", "message_id", "status", "updated_at")[:CHUNK])
        if not chunk:
            return
        yield chunk
        last = chunk[-1].id
