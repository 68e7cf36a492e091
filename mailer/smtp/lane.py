"""One session's part in a flight: which replies it waits for, and what each means for the mail that it carries."""

from collections import deque
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from .connection import Connection
from .replies import Reply
from .wire import Mail, stuffed

CLOSING = 421  # RFC 5321 section 3.8: the relay ends the session, whatever was asked
_GO_ON, _QUESTION = 354, 3


class End(StrEnum):
    """How a mail ended. The first two before it was said to be handed over, the others after."""

    REFUSED = "refused"
    UNANSWERED = "unanswered"
    TAKEN = "taken"
    DENIED = "denied"
    # The mail's own end was never sent: the relay cannot have it.
    CUT = "cut"
    # There was no time left to begin.
    HELD_BACK = "held_back"
    IN_DOUBT = "in_doubt"


class Ended(NamedTuple):
    """`reply` is the relay's, or ours in its form where it was not asked; `words` tell what happened where there is none."""

    mail: Mail
    end: End
    reply: Reply | None = None
    words: str = ""


class _Wait(Enum):
    RESET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    END = auto()


class Lane:
    """`offered` is on its way to an answer or, once `is_accepted`, to the commit; `sending` was committed and is in DATA.

    `since` and `due` (monotonic) are when the wait for the next reply began, and when it must have come. `ended` gathers outcomes for the flight.
    """

    def __init__(self, connection: Connection, *, seconds: float, ends_by: float) -> None:
        self.connection = connection
        self.offered: Mail | None = None
        self.is_accepted = False
        self.sending: Mail | None = None
        self.due = 0.0
        self.since = 0.0
        self.ended: list[Ended] = []
        self.fault = ""
        self._seconds, self._ends_by = seconds, ends_by
        self._waits: deque[_Wait] = deque()
        self._later: deque[tuple[_Wait, bytes]] = deque()
        self._mail_reply = Reply(250, "")
        self._behind = 0
        self.pipelines = "PIPELINING" in connection.extensions

    @property
    def is_waiting(self) -> bool:
        """For a reply."""
        return bool(self._waits) and not self.fault

    @property
    def is_free(self) -> bool:
        return not (self.offered or self.sending or self._waits or self.fault)

    def offer(self, mail: Mail, commands: tuple[bytes, bytes], *, now: float) -> None:
        """(1), after RSET where an earlier mail was left open."""
        self.offered, self.is_accepted = mail, False
        said = [(_Wait.MAIL, commands[0]), (_Wait.RCPT, commands[1])]
        if self.connection.has_open_mail:
            said.insert(0, (_Wait.RESET, b"RSET\r\n"))
        self._say(said, now=now)

    def begin(self, *, now: float) -> None:
        """(3): what was offered is committed."""
        self.sending, self.offered, self.is_accepted = self.offered, None, False
        self._say([(_Wait.DATA, b"DATA\r\n")], now=now)

    def withdraw(self, *, now: float) -> None:
        """Forget what was offered and accepted."""
        self.offered, self.is_accepted = None, False
        self._say([(_Wait.RESET, b"RSET\r\n")], now=now)

    def send(self, octets: bytes, *, now: float) -> None:
        """The mail itself; it may take two waits: one for the sending, one for the reply."""
        self.connection.has_open_mail = False
        self.connection.put(*stuffed(octets))
        self._behind = 0
        self._waits.append(_Wait.END)
        self._wait(2 * self._seconds, now=now)

    def take_in(self, *, now: float) -> bool:
        """Make sense of what has come; whether the relay asks for the mail, which `send` then gives it."""
        replies = self.connection.replies
        while replies:
            reply = replies.popleft()
            if not self._waits:
                self.give_up(str(reply))
                return False
            wait = self._waits.popleft()
            self._wait(self._seconds, now=now)
            if self._understand(wait, reply):
                return True
            if self.fault:
                return False
            self._say_next(now=now)
        if self.connection.broken:
            self.give_up(str(self.connection.broken))
        elif self._waits and now > self.due:
            self.give_up("the relay did not answer in time")
        return False

    def give_up(self, fault: str) -> None:
        """The session is over. What was offered stays for the flight to offer elsewhere."""
        self.fault = fault
        if self.sending is not None:
            is_whole = _Wait.END in self._waits and self._is_sent
            self._end(End.IN_DOUBT if is_whole else End.CUT, words=fault)
        self.is_accepted = False
        self._waits.clear()
        self._later.clear()
        self.connection.close()

    def _understand(self, wait: _Wait, reply: Reply) -> bool:
        if wait is _Wait.DATA and reply.code == _GO_ON:
            return True
        if reply.code // 100 == _QUESTION:
            # Put back, so that `give_up` sees how far the mail had come.
            self._waits.appendleft(wait)
            self.give_up("the relay asks where there is nothing to ask")
            return False
        if wait is _Wait.END and not self._is_sent:
            self._answered_early(reply)
            return False
        match wait:
            case _Wait.RESET:
                self._reset(reply)
            case _Wait.MAIL:
                self._mail_answered(reply)
            case _Wait.RCPT:
                self._rcpt_answered(reply if self._mail_reply.accepted else self._mail_reply)
            case _Wait.DATA if reply.accepted:
                self.give_up("the relay takes a mail that it has not seen")
            case _:
                self._end(End.TAKEN if reply.accepted else End.DENIED, reply=reply)
        if reply.code == CLOSING and not self.fault:
            self.give_up(str(reply))
        return False

    @property
    def _is_sent(self) -> bool:
        """The mail in DATA has left this process; what was put behind it need not have."""
        return self.connection.unsent <= self._behind

    def _answered_early(self, reply: Reply) -> None:
        """An answer to a mail that the relay cannot have seen the end of: a refusal is one, `taken` is the answer to something else."""
        if not reply.accepted:
            self._end(End.DENIED, reply=reply)
        self.give_up(str(reply) if not reply.accepted else "the relay takes a mail that it has not seen")

    def _reset(self, reply: Reply) -> None:
        if reply.accepted:
            self.connection.has_open_mail = False
        else:
            self.give_up(str(reply))

    def _mail_answered(self, reply: Reply) -> None:
        self._mail_reply = reply
        if reply.accepted:
            self.connection.has_open_mail = True
        elif not self.pipelines:
            self._later.clear()
            self._rcpt_answered(reply)

    def _rcpt_answered(self, reply: Reply) -> None:
        """A session that is being closed says nothing of this mail: it stays, to be offered elsewhere."""
        if reply.accepted:
            self.is_accepted = True
        elif reply.code != CLOSING and self.offered is not None:
            self.ended.append(Ended(self.offered, End.REFUSED, reply))
            self.offered = None

    def _end(self, end: End, *, reply: Reply | None = None, words: str = "") -> None:
        if self.sending is not None:
            self.connection.has_served = True
            self.ended.append(Ended(self.sending, end, reply, words))
            self.sending = None

    def _say(self, commands: list[tuple[_Wait, bytes]], *, now: float) -> None:
        if self.pipelines:
            octets = b"".join(command for _, command in commands)
            self._behind += len(octets)
            self.connection.put(octets)
            if not self._waits:
                self._wait(self._seconds, now=now)
            self._waits.extend(wait for wait, _ in commands)
        else:
            self._later.extend(commands)
            self._say_next(now=now)

    def _say_next(self, *, now: float) -> None:
        """Without pipelining, one command at a time."""
        if self._later and not self._waits:
            wait, octets = self._later.popleft()
            self.connection.put(octets)
            self._waits.append(wait)
            self._wait(self._seconds, now=now)

    def _wait(self, seconds: float, *, now: float) -> None:
        self.since, self.due = now, min(now + seconds, self._ends_by)
