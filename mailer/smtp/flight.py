"""Many mails on many sessions at once, in the order that leaves nothing in doubt.

(1) MAIL and RCPT, in one write where the relay takes it (RFC 2920).
(2) The book commits which mails are about to be handed over and how others ended, for all sessions that have come this far in one go.
(3) DATA; on the relay's word the mail, and right behind it (1) of the session's next.
(4) The relay's answer, for the next (2).

No session waits for another: whoever is ready when a commit begins is part of it. A session that breaks or is silent takes down its own mail
alone. Sessions go to the domain that has the fewest, so that a slow domain leaves room for the others.
"""

import selectors
import time
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

from .connection import Connection
from .lane import End, Ended, Lane
from .replies import Reply
from .wire import Mail, envelope

# Before a commit the others' replies are waited for, since one commit is cheaper than two: as long as they come in quick succession, and for
# those that have not been waited for as long as `PROMPT_SECONDS`. A slow relay costs no more than that.
QUICK_SECONDS, PROMPT_SECONDS, LONGEST_LINGER_SECONDS = 0.001, 0.01, 0.02
# On sessions that have brought no mail to an answer yet.
MOST_OFFERS = 2


class Book(Protocol):
    """Where the caller keeps what becomes of each mail."""

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> Container[object]:
        """Commit how mails ended, and that those accepted are about to be handed over; gives the keys of those that still may be."""
        ...


class Flight:
    """`seconds` is the longest wait for a reply; nothing is offered or begun after `begins_by`, and all is over at `ends_by` (monotonic).

    `ends` counts the mails whose end a session told; `fault` is what the last session to break said.
    """

    def __init__(self, mails: Iterable[Mail], book: Book, *, seconds: float, begins_by: float, ends_by: float) -> None:
        self._book, self._seconds, self._begins_by, self._ends_by = book, seconds, begins_by, ends_by
        self._waiting: dict[str, deque[Mail]] = {}
        for mail in mails:
            self._waiting.setdefault(mail.domain, deque()).append(mail)
        self._under_way: Counter[str] = Counter()
        self._offers: Counter[object] = Counter()
        self._ended: list[Ended] = []
        self.ends = 0
        self.fault = ""

    @property
    def left(self) -> list[Mail]:
        """The mails that have not ended."""
        return [mail for mails in self._waiting.values() for mail in mails]

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._begins_by

    def fly(self, connections: Iterable[Connection]) -> list[Connection]:
        """Hand over until nothing is left, the time is over, or no session is; gives the sessions that go on. All are closed on an error."""
        with ExitStack() as on_error, selectors.DefaultSelector() as selector:
            lanes: list[Lane] = []
            for connection in connections:
                on_error.callback(connection.close)
                lanes.append(Lane(connection, seconds=self._seconds, ends_by=self._ends_by))
                selector.register(connection, selectors.EVENT_READ, lanes[-1])
            alive = lanes
            while True:
                for lane in alive:
                    if lane.is_free:
                        self._offer_next(lane)
                alive = self._collect(alive, selector)
                if not self._ended and all(lane.is_free for lane in alive):
                    break
                self._listen(alive, selector)
                alive = self._collect(alive, selector)
                self._commit(alive)
            on_error.pop_all()
        return [lane.connection for lane in alive]

    def _offer_next(self, lane: Lane) -> None:
        while (mail := self._next()) is not None:
            commands = envelope(mail, lane.connection.extensions)
            if isinstance(commands, Reply):
                self._ended.append(Ended(mail, End.REFUSED, commands))
                continue
            self._under_way[mail.domain] += 1
            self._offers[mail.key] += not lane.connection.has_served
            lane.offer(mail, commands, now=time.monotonic())
            return

    def _next(self) -> Mail | None:
        if not self._waiting or self.is_late:
            return None
        domain = min(self._waiting, key=self._under_way.__getitem__) if len(self._waiting) > 1 else next(iter(self._waiting))
        mails = self._waiting[domain]
        mail = mails.popleft()
        del self._waiting[domain]
        if mails:
            # To the end: among domains with equally many sessions all have their turn.
            self._waiting[domain] = mails
        return mail

    def _listen(self, lanes: Sequence[Lane], selector: selectors.BaseSelector) -> None:
        """Until a reply has come, and then for the others' as long as they are worth it."""
        for lane in lanes:
            lane.connection.flush()
            selector.modify(lane.connection, selectors.EVENT_READ | (selectors.EVENT_WRITE if lane.connection.unsent else 0), lane)
        now, last = time.monotonic(), float("inf")
        seconds = 0.0 if self._ended else max(0.0, min((lane.due for lane in lanes if lane.is_waiting), default=now) - now)
        if any(lane.is_accepted for lane in lanes):
            seconds = 0.0
        while True:
            events = selector.select(seconds)
            now = time.monotonic()
            last = min(last, now + LONGEST_LINGER_SECONDS)
            for key, _ in events:
                key.data.connection.pump()
                self._take_in(key.data, now=now)
                key.data.connection.flush()
            waiting = [lane for lane in lanes if lane.is_waiting]
            for lane in waiting:
                if now > lane.due:
                    self._take_in(lane, now=now)
            is_worth_it = bool(events) or any(now - lane.since < PROMPT_SECONDS for lane in waiting)
            if not waiting or not is_worth_it or now > last:
                return
            seconds = QUICK_SECONDS

    def _take_in(self, lane: Lane, *, now: float) -> None:
        while lane.take_in(now=now) and lane.sending is not None:
            if time.monotonic() > self._ends_by:
                # A process that slept through its lease: the mail may be somebody else's by now.
                lane.give_up("there was no time left")
                return
            lane.send(lane.sending.octets, now=now)
            if lane.pipelines:
                self._offer_next(lane)

    def _collect(self, lanes: Sequence[Lane], selector: selectors.BaseSelector) -> list[Lane]:
        """Gather outcomes, and take out the sessions that are over; gives the others."""
        alive = []
        for lane in lanes:
            for ended in lane.ended:
                self._under_way[ended.mail.domain] -= 1
                self._ended.append(ended)
                self.ends += 1
            lane.ended.clear()
            if not lane.fault:
                alive.append(lane)
                continue
            selector.unregister(lane.connection)
            self.fault = lane.fault
            if lane.offered is not None:
                self._return(lane.offered, lane.fault)
        return alive

    def _return(self, mail: Mail, fault: str) -> None:
        """Offered on a session that broke. If it was the session's first, that may be this mail's doing."""
        self._under_way[mail.domain] -= 1
        if self._offers[mail.key] >= MOST_OFFERS:
            self._ended.append(Ended(mail, End.UNANSWERED, words=fault))
        else:
            self._waiting.setdefault(mail.domain, deque()).appendleft(mail)

    def _commit(self, lanes: Sequence[Lane]) -> None:
        accepted = [(lane, lane.offered) for lane in lanes if lane.is_accepted and lane.offered is not None]
        if self.is_late:
            for lane, mail in accepted:
                self._withdraw(lane, mail)
                self._waiting.setdefault(mail.domain, deque()).appendleft(mail)
            accepted = []
        if not accepted and not self._ended:
            return
        ended, self._ended = self._ended, []
        allowed = self._book.write(ended, [mail for _, mail in accepted])
        for lane, mail in accepted:
            if mail.key not in allowed:
                # Somebody else has it by now.
                self._withdraw(lane, mail)
            elif self.is_late:
                # The commit took so long that the lease could end within DATA. Nothing was sent, and this process knows it.
                self._withdraw(lane, mail)
                self._ended.append(Ended(mail, End.HELD_BACK))
            else:
                lane.begin(now=time.monotonic())

    def _withdraw(self, lane: Lane, mail: Mail) -> None:
        self._under_way[mail.domain] -= 1
        lane.withdraw(now=time.monotonic())
