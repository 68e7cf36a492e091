"""What a real Postfix tells of mails whose sender died at each step of handing over."""

import os
import re
import signal
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

from mailer.relays import Mail, Outcome, Postfix
from tests.reliability.postfix import PostfixServer

IDLE = timedelta(seconds=4)
BODY = b"From: bills@bank.example.com\r\nSubject: Statement\r\n\r\n" + b"A line of the statement.\r\n" * 400


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    yield
    while Sending.all:
        Sending.all.pop().die()


class Sending:
    """One mail on its way into Postfix, to be left at any step."""

    all: ClassVar[list["Sending"]] = []

    def __init__(self, server: PostfixServer) -> None:
        self.server, self.message_id = server, f"<{uuid4()}@bank.example.com>"
        begun = server.text().count(": client=")
        self.smtp = smtplib.SMTP("127.0.0.1", server.port, timeout=10)
        self.smtp.ehlo("bank.example.com")
        self.smtp.mail("bills@bank.example.com")
        assert self.smtp.rcpt("alice@example.net")[0] == 250
        # Nobody asks before a lease is over; by then the log has what happened.
        until(lambda: server.text().count(": client=") > begun, "the line of the client")
        self.since = datetime.now(UTC)
        self.all.append(self)

    @property
    def socket(self) -> socket.socket:
        assert self.smtp.sock is not None
        return self.smtp.sock

    @property
    def mail(self) -> bytes:
        return f"Message-ID: {self.message_id}\r\n".encode() + BODY

    def data(self) -> int:
        return self.smtp.data(self.mail)[0]

    def half(self) -> None:
        assert self.smtp.docmd("DATA")[0] == 354
        self.socket.sendall(self.mail)

    def die(self) -> None:
        self.smtp.close()

    def outcome(self, *, spool: bool = True) -> Outcome:
        answers = Postfix(self.server.log, self.server.spool if spool else None, IDLE, now=lambda: datetime.now(UTC))
        return answers.outcomes([Mail(self.message_id, self.since, self.since)])[self.message_id]

    def settles(self, outcome: Outcome, *, seconds: float = 15) -> None:
        until(lambda: self.outcome() is outcome, str(outcome), seconds=seconds)


def until(ready: Callable[[], bool], what: str, *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def daemons(server: PostfixServer, name: str) -> list[int]:
    """The processes of one of Postfix's programs, by the master's children."""
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == name]


def test_it_tells_what_was_taken(postfix: PostfixServer) -> None:
    sending = Sending(postfix)
    assert sending.data() == 250
    sending.die()
    sending.settles(Outcome.TAKEN)
    until(lambda: sending.message_id in (postfix.folder / "relay" / "journal.jsonl").read_text(), "the next hop has it")
    assert sending.outcome() is Outcome.TAKEN, "also when it has left the queue"


def test_a_death_before_data_leaves_nothing(postfix: PostfixServer) -> None:
    sending = Sending(postfix)
    assert sending.outcome() is Outcome.NOT_YET
    sending.die()
    sending.settles(Outcome.NOT_TAKEN)


def test_a_silent_sender_is_waited_for_until_its_session_ends(postfix: PostfixServer) -> None:
    sending = Sending(postfix)
    sending.half()
    until(lambda: sending.message_id in postfix.text(), "the cleanup line, which proves nothing")
    assert sending.outcome() is Outcome.NOT_YET
    sending.settles(Outcome.NOT_TAKEN)
    assert "timeout after DATA" in postfix.text()


def test_a_death_within_data_leaves_nothing(postfix: PostfixServer) -> None:
    sending = Sending(postfix)
    sending.half()
    until(lambda: sending.message_id in postfix.text(), "the cleanup line")
    sending.die()
    sending.settles(Outcome.NOT_TAKEN)


def test_the_queue_tells_while_the_queue_manager_sleeps(postfix: PostfixServer) -> None:
    (manager,) = daemons(postfix, "qmgr")
    os.kill(manager, signal.SIGSTOP)
    sending = Sending(postfix)
    assert sending.data() == 250
    sending.die()
    until(lambda: "disconnect from" in postfix.text().partition(sending.message_id)[2], "the end of the session")
    assert sending.outcome() is Outcome.TAKEN
    assert sending.outcome(spool=False) is Outcome.IN_DOUBT
    os.kill(manager, signal.SIGCONT)
    until(lambda: sending.outcome(spool=False) is Outcome.TAKEN, "the queue manager's line")


def test_a_relay_that_sleeps_with_all_of_the_mail_is_waited_for(postfix: PostfixServer) -> None:
    """Its sender is long dead, nothing of the mail is in the log, and it will be taken all the same."""
    sending = Sending(postfix)
    assert sending.smtp.docmd("DATA")[0] == 354
    session = int(re.findall(r"smtpd\[(\d+)\]: \w+: client=", postfix.text())[-1])
    os.kill(session, signal.SIGSTOP)
    sending.socket.sendall(sending.mail + b".\r\n")
    sending.die()
    time.sleep(3)
    other = Sending(postfix)
    other.die()
    other.settles(Outcome.NOT_YET)
    assert sending.outcome() is Outcome.NOT_YET
    os.kill(session, signal.SIGCONT)
    sending.settles(Outcome.TAKEN)
    other.settles(Outcome.NOT_TAKEN)


def test_it_tells_after_postfix_was_killed_and_started_again(postfix: PostfixServer) -> None:
    taken, lost = Sending(postfix), Sending(postfix)
    assert taken.data() == 250
    lost.half()
    until(lambda: lost.message_id in postfix.text(), "the cleanup line")
    postfix.kill()
    postfix.start()
    taken.settles(Outcome.TAKEN)
    lost.settles(Outcome.NOT_TAKEN)


def test_it_reads_on_after_the_log_was_rotated(postfix: PostfixServer) -> None:
    taken, lost = Sending(postfix), Sending(postfix)
    assert taken.data() == 250
    taken.die()
    taken.settles(Outcome.TAKEN)
    postfix.rotate()
    lost.die()
    lost.settles(Outcome.NOT_TAKEN)
    assert taken.outcome() is Outcome.TAKEN
    postfix.log.with_name("mail.log.1").unlink()
    assert taken.outcome() is Outcome.IN_DOUBT
