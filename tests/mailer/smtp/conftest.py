"""A book that keeps what it is told, and mails to put into it."""

import time
from collections.abc import Sequence

import pytest

from mailer.smtp.flight import Flight
from mailer.smtp.lane import End, Ended
from mailer.smtp.opening import Relay, open_session
from mailer.smtp.wire import Mail
from tests.mailer.false_relays import FalseRelay

FROM = "bills@bank.example.com"
OCTETS = b"Subject: x\r\n\r\n.\r\n..two\r\nbody\r\n"


class Ledger:
    """Allows everything but the keys in `refused`. `joint` counts the commits that told of ends and beginnings."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self.accepted: list[object] = []
        self.commits = 0
        self.joint = 0
        self.refused: set[object] = set()

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
        self.commits += 1
        self.joint += bool(ended) and bool(accepted)
        self.ended += ended
        self.accepted += [mail.key for mail in accepted]
        return {mail.key for mail in accepted} - self.refused

    @property
    def ends(self) -> dict[object, End]:
        return {one.mail.key: one.end for one in self.ended}

    def words(self, key: object) -> str:
        (one,) = [one for one in self.ended if one.mail.key == key]
        return one.words or str(one.reply)


def mails_to(*recipients: str, octets: bytes = OCTETS) -> list[Mail]:
    """A mail to each, its recipient for a key."""
    return [Mail(to, FROM, to, octets, to.rpartition("@")[2]) for to in recipients]


def relay_at(relay: FalseRelay, *, seconds: float = 5.0) -> Relay:
    return Relay("127.0.0.1", relay.port, "worker.example.org", seconds)


def fly(relay: FalseRelay, mails: Sequence[Mail], book: Ledger, *, sessions: int = 1, seconds: float = 5.0) -> Flight:
    """Fly on sessions of their own until none is left or all mails have ended."""
    now = time.monotonic()
    flight = Flight(mails, book, seconds=seconds, begins_by=now + 60, ends_by=now + 90)
    while flight.left:
        before = len(relay.heard)
        for connection in flight.fly([open_session(relay_at(relay, seconds=seconds)) for _ in range(sessions)]):
            connection.quit()
        assert len(relay.heard) > before
    return flight


@pytest.fixture
def book() -> Ledger:
    return Ledger()
