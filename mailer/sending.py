"""From the queue to the relay, for whatever can be claimed.

(1) Claim messages under a lease.
(2) Look up, sign, encrypt once, keep the sealed bytes; the content is gone.
(3) Open a session, MAIL, RCPT.
(4) Commit `handing`, then DATA.
(5) Commit the relay's answer: taken is `handed`, 4xx is `queued` again with a growing pause, 5xx is `failed` with the relay's words.

A worker that dies before (4) leaves nothing in doubt; one that dies after it leaves `handing` for the reconciler.
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings

from mailer.claiming import WORKER, Claim, claim, give_back
from mailer.custody import require_key
from mailer.message_states import Step, move, note
from mailer.models import Message, MessageStatus
from mailer.sealing import seal_all
from mailer.transport import InDoubtError, RelayUnreachableError, Reply, Session, data_seconds

logger = logging.getLogger(__name__)
# How long one call keeps claiming; other tasks wait for the same workers.
SECONDS = 5.0
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=15)
GIVE_UP = timedelta(days=5)  # RFC 5321 section 4.5.4.1: at least 4 to 5 days


def drain(*, at: datetime, seconds: float = SECONDS) -> int:
    """Work on what is ready for up to `seconds`; returns how many messages were claimed. `at` is the moment of the call.

    Raises MissingKeyError, before anything is claimed, in a process that is no worker.
    """
    for name in ("LETTERLOCK_SIGNING_KEK", "LETTERLOCK_DATA_KEK"):
        require_key(name)
    started, worked = time.monotonic(), 0
    while True:
        passed = time.monotonic() - started
        if passed > seconds:
            return worked
        claimed = claim()
        if not claimed.messages:
            return worked
        _work(claimed, at=at + timedelta(seconds=passed))
        worked += len(claimed.messages)


def _work(claimed: Claim, *, at: datetime) -> None:
    sealed = [message for message in claimed.messages if message.status == MessageStatus.SEALED]
    unsealed = [message for message in claimed.messages if message.status == MessageStatus.SEALING]
    sealed += seal_all(unsealed, at=at, until=claimed.deadline - 4 * settings.LETTERLOCK_SMTP_SECONDS)
    with Session() as session:
        for number, message in enumerate(sealed):
            if claimed.seconds_left() < data_seconds() + settings.LETTERLOCK_SMTP_SECONDS / 2:
                give_back(sealed[number:])
                return
            try:
                _hand_over(message, session, claimed, at=at)
            except RelayUnreachableError as error:
                # The relay is away for all of them: none is worth a wait of its own.
                _put_off(sealed[number:], f"relay unreachable: {error}", source=MessageStatus.SEALED, at=at)
                return


def _hand_over(message: Message, session: Session, claimed: Claim, *, at: datetime) -> None:
    # (3) Offer.
    reply = session.offer(message.batch.identity.address, message.recipient)
    if not reply.accepted:
        _refused(message, reply, source=MessageStatus.SEALED, at=at)
        return
    # (4) Say so before doing it.
    held = move([Step(message.id, message.lease_token)], source=MessageStatus.SEALED, target=MessageStatus.HANDING, actor=WORKER)
    if not held:
        session.take_back()
        return
    if claimed.seconds_left() < data_seconds():
        # The commit took so long that the lease could end within DATA. Nothing was sent, and this process knows it.
        session.take_back()
        move(
            [Step(message.id, message.lease_token)],
            source=MessageStatus.HANDING,
            target=MessageStatus.SEALED,
            actor=WORKER,
            event="not_handed",
            free=True,
        )
        return
    try:
        reply = session.hand_over(bytes(message.sealed or b""))
    except InDoubtError as error:
        logger.warning("message %s is in doubt: %s", message.id, error)
        note([message.id], event="in_doubt", detail=str(error), actor=WORKER)
        return
    # (5) Write down the answer.
    if reply.accepted:
        _taken(message, reply)
    else:
        _refused(message, reply, source=MessageStatus.HANDING, at=at)


def _taken(message: Message, reply: Reply) -> None:
    """The relay has it, whatever the lease says; only a reconciler that decided otherwise in between is an alarm."""
    step = Step(message.id, message.lease_token, detail=str(reply), reply=str(reply))
    if move([step], source=MessageStatus.HANDING, target=MessageStatus.HANDED, actor=WORKER, even_if_lapsed=True):
        return
    if move([step._replace(lease=None)], source=MessageStatus.UNKNOWN, target=MessageStatus.HANDED, actor=WORKER):
        return
    logger.error("message %s was taken by the relay after its lease was taken over", message.id)
    note([message.id], event="handed_late", detail=str(reply), actor=WORKER)


def _refused(message: Message, reply: Reply, *, source: MessageStatus, at: datetime) -> None:
    if not reply.for_good:
        _put_off([message], str(reply), source=source, at=at)
        return
    step = Step(message.id, message.lease_token, detail=str(reply), reply=str(reply))
    move([step], source=source, target=MessageStatus.FAILED, actor=WORKER, even_if_lapsed=True)


def _put_off(messages: list[Message], words: str, *, source: MessageStatus, at: datetime) -> None:
    """Try again later, each message after a pause of its own; give up on those that are too old."""
    later: list[Step] = []
    over: list[Step] = []
    for message in messages:
        step = Step(message.id, message.lease_token, detail=words, reply=words, delay=pause_after(message.attempt))
        (over if at - message.accepted_at > GIVE_UP else later).append(step)
    move(later, source=source, target=MessageStatus.QUEUED, actor=WORKER, event="deferred", even_if_lapsed=True)
    move(over, source=source, target=MessageStatus.FAILED, actor=WORKER, event="gave_up", even_if_lapsed=True)


def pause_after(attempt: int) -> timedelta:
    """10 s, doubled with every attempt, up to a quarter of an hour."""
    return min(FIRST_PAUSE * 2 ** min(attempt - 1, 10), LONGEST_PAUSE) if attempt > 0 else FIRST_PAUSE
