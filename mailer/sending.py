"""From the queue to the relay, for whatever can be claimed.

(1) Claim messages under a lease.
(2) Look up, sign, encrypt once, keep the sealed bytes; the content is gone.
(3) Sessions, MAIL, RCPT.
(4) Commit `handing`, then DATA.
(5) Commit the relay's answer: taken is `handed`, 4xx is `queued` again with a growing pause, 5xx is `failed` with the relay's words.

(3) to (5) run on several sessions at once, and each commit is for all that have come to it. A worker that dies before (4) leaves nothing in
doubt; one that dies after it leaves `handing` for the reconciler.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from mailer.claiming import WORKER, Claim, Held, claim, give_back
from mailer.custody import require_key
from mailer.message_states import Step, move, note
from mailer.models import MessageStatus
from mailer.resting import RestingDomains
from mailer.sealing import seal_all
from mailer.smtp.lane import End, Ended
from mailer.smtp.wire import Mail
from mailer.transport import data_seconds, hand_over, leave_idle_sessions

logger = logging.getLogger(__name__)
# How long one call keeps claiming; other tasks wait for the same workers.
SECONDS = 5.0
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=15)
GIVE_UP = timedelta(days=5)  # RFC 5321 section 4.5.4.1: at least 4 to 5 days
# How often one call looks for what was given back or has lapsed, as long as there is none.
_RETAKING_SECONDS = 0.5

resting = RestingDomains()


def drain(*, at: datetime, seconds: float = SECONDS) -> int:
    """Work on what is ready for up to `seconds`; returns how many messages were claimed. `at` is the moment of the call.

    Raises MissingKeyError, before anything is claimed, in a process that is no worker.
    """
    for name in ("LETTERLOCK_SIGNING_KEK", "LETTERLOCK_DATA_KEK"):
        require_key(name)
    started, worked, looked = time.monotonic(), 0, float("-inf")
    while True:
        now = time.monotonic()
        if now - started > seconds:
            return worked
        looks = now - looked > _RETAKING_SECONDS
        claimed = claim(retaking=looks, resting=resting.now())
        if not claimed.messages:
            leave_idle_sessions()
            return worked
        if looks and not claimed.retaken:
            looked = now
        _work(claimed, at=at + timedelta(seconds=now - started))
        worked += len(claimed.messages)


def _work(claimed: Claim, *, at: datetime) -> None:
    sealed = [message for message in claimed.messages if message.status == MessageStatus.SEALED]
    unsealed = [message for message in claimed.messages if message.status == MessageStatus.SEALING]
    sealed += seal_all(unsealed, at=at, until=claimed.deadline - data_seconds() - settings.LETTERLOCK_SMTP_SECONDS)
    if not sealed:
        return
    book = _Book(sealed, at=at)
    mails = [Mail(message.id, message.sender, message.recipient, message.sealed or b"", message.domain) for message in sealed]
    rest = hand_over(mails, book, deadline=claimed.deadline)
    left = [book.messages[mail.key] for mail in rest.mails]
    if rest.fault:
        # The relay is away for all of them: none is worth a wait of its own.
        put_off(((message, f"relay unreachable: {rest.fault}") for message in left), source=MessageStatus.SEALED, at=at)
    else:
        give_back(left)


class _Book:
    """The outbox's side of a flight: what becomes of each message, in as few statements as there are outcomes."""

    def __init__(self, messages: Iterable[Held], *, at: datetime) -> None:
        self.messages: dict[object, Held] = {message.id: message for message in messages}
        self._at = at

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[UUID]:
        with transaction.atomic() if ended and accepted else nullcontext():
            self._end(ended)
            # (4) Say so before doing it.
            return move(self._steps(accepted), source=MessageStatus.SEALED, target=MessageStatus.HANDING, actor=WORKER)

    def _end(self, ended: Sequence[Ended]) -> None:
        """(5) Write down what became of them."""
        by_end: dict[End, list[Ended]] = {}
        for one in ended:
            by_end.setdefault(one.end, []).append(one)
        if End.TAKEN in by_end:
            self._taken(by_end[End.TAKEN])
        for one in by_end.get(End.IN_DOUBT, []):
            message = self.messages[one.mail.key]
            logger.warning("message %s is in doubt: %s", message.id, one.words)
            note([message.id], event="in_doubt", detail=one.words, actor=WORKER)
        if End.HELD_BACK in by_end:
            steps = self._steps(one.mail for one in by_end[End.HELD_BACK])
            move(steps, source=MessageStatus.HANDING, target=MessageStatus.SEALED, actor=WORKER, event="not_handed", free=True)
        self._refused([*by_end.get(End.REFUSED, []), *by_end.get(End.UNANSWERED, [])], source=MessageStatus.SEALED)
        self._refused([*by_end.get(End.DENIED, []), *by_end.get(End.CUT, [])], source=MessageStatus.HANDING)

    def _steps(self, mails: Iterable[Mail]) -> list[Step]:
        return [Step(message.id, message.lease_token) for message in (self.messages[mail.key] for mail in mails)]

    def _taken(self, ended: Sequence[Ended]) -> None:
        """The relay has it, whatever the lease says; only a reconciler that decided otherwise in between is an alarm."""
        steps = []
        for one in ended:
            message, words = self.messages[one.mail.key], str(one.reply)
            resting.answered(message.domain)
            steps.append(Step(message.id, message.lease_token, detail=words, reply=words))
        moved = move(steps, source=MessageStatus.HANDING, target=MessageStatus.HANDED, actor=WORKER, even_if_lapsed=True)
        if len(moved) == len(steps):
            return
        late = [step._replace(lease=None) for step in steps if step.message not in moved]
        moved = move(late, source=MessageStatus.UNKNOWN, target=MessageStatus.HANDED, actor=WORKER)
        for step in late:
            if step.message not in moved:
                logger.error("ALARM: message %s was taken by the relay after its lease was taken over", step.message)
                note([step.message], event="handed_late", detail=step.detail, actor=WORKER)

    def _refused(self, ended: Sequence[Ended], *, source: MessageStatus) -> None:
        later: list[tuple[Held, str]] = []
        never: list[Step] = []
        for one in ended:
            message, words = self.messages[one.mail.key], one.words or str(one.reply)
            if one.reply is not None and one.reply.for_good:
                resting.answered(message.domain)
                never.append(Step(message.id, message.lease_token, detail=words, reply=words))
            else:
                resting.deferred(message.domain)
                later.append((message, words))
        put_off(later, source=source, at=self._at)
        move(never, source=source, target=MessageStatus.FAILED, actor=WORKER, even_if_lapsed=True)


def put_off(messages: Iterable[tuple[Held, str]], *, source: MessageStatus, at: datetime) -> None:
    """Try again later, each message after a pause of its own; give up on those that are too old. With each, why."""
    later: list[Step] = []
    over: list[Step] = []
    for message, words in messages:
        step = Step(message.id, message.lease_token, detail=words, reply=words, delay=pause_after(message.attempt))
        (over if at - message.accepted_at > GIVE_UP else later).append(step)
    move(later, source=source, target=MessageStatus.QUEUED, actor=WORKER, event="deferred", even_if_lapsed=True)
    move(over, source=source, target=MessageStatus.FAILED, actor=WORKER, event="gave_up", even_if_lapsed=True)


def pause_after(attempt: int) -> timedelta:
    """10 s, doubled with every attempt, up to a quarter of an hour."""
    return min(FIRST_PAUSE * 2 ** min(attempt - 1, 10), LONGEST_PAUSE) if attempt > 0 else FIRST_PAUSE
