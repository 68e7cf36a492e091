"""Sessions kept between flights: used again, and given up before the relay gives them up."""

import os
import time
from collections.abc import Iterator

import pytest

from mailer.smtp.errors import UnreachableError
from mailer.smtp.pool import Pool
from tests.mailer.false_relays import GREETING, FalseRelay, running, say
from tests.mailer.smtp.conftest import relay_at


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def test_it_uses_a_session_again(pool: Pool) -> None:
    with running(FalseRelay()) as relay:
        first = pool.take(relay_at(relay), 2)
        pool.give(first)
        again = pool.take(relay_at(relay), 3)
        pool.give(again)
        assert set(again) > set(first)
        assert len(relay.heard) == 3


def test_it_notices_what_the_relay_has_closed(pool: Pool) -> None:
    """An idle session that is gone is no failure: another is opened."""
    with running(FalseRelay({"NOOP": say(None)})) as relay:
        (session,) = pool.take(relay_at(relay), 1)
        session.put(b"NOOP\r\n")
        session.flush()
        time.sleep(0.2)
        pool.give([session])
        (other,) = pool.take(relay_at(relay), 1)
        assert other is not session
        pool.give([other])


@pytest.mark.parametrize("said", [b"421 idle too long\r\n", b"250 who asked?\r\n"])
def test_it_keeps_no_session_in_which_something_was_said_unasked(said: bytes, pool: Pool) -> None:
    with running(FalseRelay({"NOOP": say(said)})) as relay:
        (session,) = pool.take(relay_at(relay), 1)
        session.put(b"NOOP\r\n")
        session.flush()
        time.sleep(0.2)
        pool.give([session])
        (other,) = pool.take(relay_at(relay), 1)
        pool.give([other])
        assert other is not session


def test_it_keeps_no_session_longer_than_a_wait_for_a_reply(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is shorter than the relay's patience. Looking after it does not make it younger."""
    with running(FalseRelay()) as relay:
        to = relay_at(relay, seconds=5.0)
        (session,) = pool.take(to, 1)
        pool.give([session])
        now = time.monotonic()
        for later in (3.0, 4.9):
            monkeypatch.setattr(time, "monotonic", lambda later=later: now + later)
            pool.tidy(to)
            assert session.fileno() > 0
        monkeypatch.setattr(time, "monotonic", lambda: now + 5.1)
        pool.tidy(to)
        assert session.fileno() == -1


def test_it_leaves_another_relay(pool: Pool) -> None:
    with running(FalseRelay()) as relay, running(FalseRelay()) as other:
        (session,) = pool.take(relay_at(relay), 1)
        pool.give([session])
        pool.give(pool.take(relay_at(other), 1))
        assert session.fileno() == -1
        assert len(other.heard) == 1


def test_it_makes_do_with_fewer_sessions_than_it_asked_for(pool: Pool) -> None:
    with running(FalseRelay({GREETING: say(b"220 hello\r\n", b"220 hello\r\n", b"421 too many\r\n")})) as relay:
        taken = pool.take(relay_at(relay), 5)
        pool.give(taken)
        assert len(taken) == 2


def test_it_says_where_there_is_no_session_at_all(pool: Pool) -> None:
    with running(FalseRelay({GREETING: say(b"421 too many\r\n")})) as relay, pytest.raises(UnreachableError, match="421 too many"):
        pool.take(relay_at(relay), 5)


def test_it_leaves_its_parents_sessions_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked process shares the sockets; what it said there would be in the middle of the parent's mail."""
    with running(FalseRelay()) as relay:
        (session,) = pool.take(relay_at(relay), 1)
        pool.give([session])
        monkeypatch.setattr(os, "getpid", lambda: -1)
        pool.close()
        assert session.fileno() > 0
        assert "QUIT" not in relay.lines
        session.close()
