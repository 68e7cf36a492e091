"""What Postfix's log and spool tell of a mail. Free of Django.

Taken: the queue manager's `from=<` line for the queue file whose `cleanup` line carries the Message-ID, or that file in mode 0700. The
`cleanup` line is written before the file is complete and proves nothing.
Not taken: neither, the session is over, and the log is known to be this relay's and to reach back far enough.
Anything else is in doubt.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeGuard

from mailer.relays.answers import Mail, Outcome
from mailer.relays.postfix_log import Line, LogError, first_time, lines, logs_of

# A recipient is offered at most this long before `handing` is committed, and then the transaction's first line is written.
MARGIN = timedelta(minutes=10)
# Stamps may have whole seconds, and two clocks.
_BLUR = timedelta(seconds=2)
_TELLING = frozenset({b"smtpd", b"cleanup", b"qmgr", b"master"})
_COMPLETE = 0o700
_HEAD_BYTES = 64 * 1024
_QUEUES = ("incoming", "active", "deferred", "hold")
_HASH = "0123456789ABCDEF"


@dataclass
class Transaction:
    """One mail of one session, from the line that names its client on."""

    queue: bytes
    at: datetime
    message_id: str = ""
    is_taken: bool = False
    is_open: bool = True
    # When a new master started: what the old one left talks on until its client is silent for longer than the relay waits.
    orphaned_at: datetime | None = None


@dataclass
class Story:
    """What the log tells about the mails that are asked for."""

    reaches_back_to: datetime | None
    last_end: datetime | None = None
    found: dict[str, list[Transaction]] = field(default_factory=dict)
    # When transactions began that ended without telling a Message-ID.
    unnamed: list[datetime] = field(default_factory=list)
    _sessions: dict[tuple[bytes, bytes], Transaction] = field(default_factory=dict)
    _queue: dict[tuple[bytes, bytes], Transaction] = field(default_factory=dict)

    def tell(self, line: Line) -> None:
        if line.program == b"smtpd":
            self._session(line)
        elif line.program == b"cleanup" and line.text.startswith(b"message-id=<"):
            self._named(line)
        elif line.program == b"qmgr" and line.text.startswith(b"from=<"):
            transaction = self._queue.pop((line.instance, line.queue), None)
            if transaction is not None:
                transaction.is_taken, transaction.is_open = True, False
        elif line.program == b"master":
            self._master(line)

    def open_transactions(self) -> Iterator[Transaction]:
        return (transaction for transaction in self._sessions.values() if transaction.is_open)

    def end_orphans(self, before: datetime) -> None:
        """Sessions whose master was already replaced `before`: nobody is left who could end them in the log."""
        for transaction in self.open_transactions():
            if transaction.orphaned_at is not None and transaction.orphaned_at < before:
                transaction.is_open = False
                if not transaction.message_id:
                    self.unnamed.append(transaction.at)

    def _session(self, line: Line) -> None:
        session = (line.instance, line.pid)
        if line.text.startswith((b"client=", b"NOQUEUE: client=")):
            # The next mail of a session: the one before it is settled, by its end or by RSET. Behind a filter its file is another session's.
            self._settle(session)
            self._sessions[session] = Transaction(line.queue, line.at)
            if line.queue:
                self._queue[line.instance, line.queue] = self._sessions[session]
        elif line.text.startswith((b"disconnect from ", b"fatal: ", b"panic: ")):
            self._end(session, line.at)
        elif line.text.startswith(b"connect from "):
            self._settle(session)

    def _named(self, line: Line) -> None:
        transaction = self._queue.get((line.instance, line.queue))
        if transaction is None:
            # Its first line is older than what was read, or it came another way than by SMTP.
            transaction = self._queue[line.instance, line.queue] = Transaction(line.queue, line.at)
        transaction.message_id = line.text[len(b"message-id=") :].strip().decode("ascii", "replace")
        if transaction.message_id in self.found:
            self.found[transaction.message_id].append(transaction)

    def _master(self, line: Line) -> None:
        if line.text.startswith(b"daemon started"):
            for transaction in self.open_transactions():
                transaction.orphaned_at = transaction.orphaned_at or line.at
            self.last_end = line.at
        elif b"/smtpd pid " in line.text:
            # `warning: process /usr/lib/postfix/sbin/smtpd pid 123 killed by signal 9`
            self._end((line.instance, line.text.split(b"/smtpd pid ", 1)[1].split(b" ", 1)[0]), line.at)

    def _end(self, session: tuple[bytes, bytes], at: datetime) -> None:
        self._settle(session)
        self.last_end = at

    def _settle(self, session: tuple[bytes, bytes]) -> None:
        transaction = self._sessions.pop(session, None)
        if transaction is not None:
            transaction.is_open = False
            if not transaction.message_id:
                self.unnamed.append(transaction.at)


class Postfix:
    """Answers out of `log`, which may be rotated, and `spool`, the queue directory; without a spool what only it could tell stays in doubt.

    `idle` is at least as long as the relay waits for a silent client (`smtpd_timeout`), `now` a clock that agrees with the log's stamps.
    """

    def __init__(self, log: Path, spool: Path | None, idle: timedelta, *, now: Callable[[], datetime]) -> None:
        self._log, self._spool, self._idle, self._now = log, spool, idle, now

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        if not mails:
            return {}
        try:
            story = self._read(mails)
            unfinished = [each for found in story.found.values() for each in found if not each.is_taken]
            complete = {each.message_id for each in unfinished if _sees(self._spool) and _is_complete(each, self._spool)}
            if unfinished:
                # What was delivered between reading the log and looking for its file has its line by now.
                story = self._read(mails)
        except (OSError, LogError):
            return {mail.message_id: Outcome.IN_DOUBT for mail in mails}
        return {mail.message_id: self._outcome(mail, story, complete) for mail in mails}

    def _outcome(self, mail: Mail, story: Story, complete: set[str]) -> Outcome:
        found = story.found[mail.message_id]
        if mail.message_id in complete or any(transaction.is_taken for transaction in found):
            return Outcome.TAKEN
        if any(transaction.is_open for transaction in found):
            return Outcome.NOT_YET
        # (1) The log reaches back to before it was offered, and where it has a name for it the queue can be looked into.
        if story.reaches_back_to is None or story.reaches_back_to > mail.since - _BLUR or (found and not _sees(self._spool)):
            return Outcome.IN_DOUBT
        # (2) The log was written to since: a session came to its end. (3) None from then is still open without having told its Message-ID.
        unnamed = (other for other in story.open_transactions() if not other.message_id)
        if story.last_end is None or story.last_end < mail.since - _BLUR or any(other.at <= mail.until + _BLUR for other in unnamed):
            return Outcome.NOT_YET
        # (4) The log shows that it was offered: else it is another relay's.
        if mail.was_offered and not found and not any(mail.since - MARGIN < at <= mail.until + _BLUR for at in story.unnamed):
            return Outcome.IN_DOUBT
        return Outcome.NOT_TAKEN

    def _read(self, mails: Sequence[Mail]) -> Story:
        start = min(mail.since for mail in mails) - MARGIN
        story = Story(None, found={mail.message_id: [] for mail in mails})
        chosen: list[Path] = []
        for path in reversed(logs_of(self._log)):
            chosen.insert(0, path)
            first = first_time(path)
            if first is not None:
                story.reaches_back_to = first
                if first < start:
                    break
        for path in chosen:
            for line in lines(path, since=start, programs=_TELLING):
                story.tell(line)
        story.end_orphans(self._now() - self._idle)
        return story


def _sees(spool: Path | None) -> TypeGuard[Path]:
    """Whether this is a queue directory, and this user may look into it."""
    return spool is not None and os.access(spool / _QUEUES[0], os.R_OK | os.X_OK)


def _is_complete(transaction: Transaction, spool: Path) -> bool:
    """Whether the queue file is there in mode 0700, which it is given once all of the mail is on the disk. Raises OSError."""
    name = transaction.queue.decode("ascii")
    for folder in (spool / queue for queue in _QUEUES):
        for path in (folder / name, *(folder / part / name for part in _HASH)):
            try:
                with path.open("rb") as file:
                    # Short names come again: it is this mail if it says so.
                    complete = os.fstat(file.fileno()).st_mode & _COMPLETE == _COMPLETE
                    if complete and transaction.message_id.encode() in file.read(_HEAD_BYTES):
                        return True
            except FileNotFoundError:
                continue
    return False
