"""The way to the relay as the settings have it, with the inbox and with relays that are away or break every session."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from mailer import transport
from mailer.smtp.lane import End, Ended
from mailer.smtp.opening import Tls
from mailer.smtp.wire import Mail
from mailer.transport import Rest, hand_over, relay
from portal.running.inbox import InboxServer
from tests.mailer.false_relays import END, FalseRelay, running, say

FROM, TO = "bills@bank.example.com", "bob@people.example.org"
OCTETS = b"Subject: x\r\n\r\n.\r\n..two\r\nbody\r\n"


class Ends:
    def __init__(self) -> None:
        self.ends: list[End] = []

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
        self.ends += [one.end for one in ended]
        return {mail.key for mail in accepted}


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture(autouse=True)
def _clean_pool() -> Iterator[None]:
    yield
    transport.pool.close()


def mails(count: int, *, to: str = TO, sender: str = FROM) -> list[Mail]:
    return [Mail(number, sender, to, OCTETS, "people.example.org") for number in range(count)]


def hand(some: Sequence[Mail], ends: Ends) -> Rest:
    return hand_over(some, ends, deadline=time.monotonic() + 60)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("smtp://relay.example.org", ("relay.example.org", 25, False, "", "")),
        ("smtp://relay.example.org:587", ("relay.example.org", 587, False, "", "")),
        ("smtps://al%40ice:p%2Fw%C3%BC@relay.example.org", ("relay.example.org", 465, True, "al@ice", "p/wü")),
        ("smtp://[::1]:2525", ("::1", 2525, False, "", "")),
    ],
)
def test_it_reads_the_address_of_the_relay(url: str, read: tuple[object, ...], settings: Settings) -> None:
    settings.LETTERLOCK_SMTP_URL = url
    found = relay()
    assert (found.host, found.port, found.is_tls, found.username, found.password) == read
    assert (found.seconds, found.tls) == (10, Tls.AUTO)


def test_it_hands_over_dots_as_they_are(inbox_server: InboxServer, ends: Ends) -> None:
    assert hand(mails(3), ends) == Rest([])
    assert [mail.content for mail in inbox_server.inbox.mails(TO)] == [OCTETS] * 3
    assert ends.ends == [End.TAKEN] * 3


def test_it_hands_over_with_the_null_path_and_to_international_addresses(inbox_server: InboxServer, ends: Ends) -> None:
    to = "bücher@people.example.org"
    hand(mails(1, to=to, sender=""), ends)
    (mail,) = inbox_server.inbox.mails(to)
    assert mail.sender == "<>"


def test_it_has_at_most_so_many_sessions_and_keeps_them(settings: Settings, ends: Ends) -> None:
    settings.LETTERLOCK_RELAY_SESSIONS = 3
    with running(FalseRelay()) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        for _flight in range(3):
            hand(mails(10), ends)
        assert len(false.heard) == 3
    assert ends.ends == [End.TAKEN] * 30


def test_it_leaves_sessions_that_are_idle(settings: Settings, ends: Ends) -> None:
    with running(FalseRelay()) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        hand(mails(2), ends)
        transport.leave_idle_sessions()
        assert len(transport.pool._kept) == 2
        for connection in transport.pool._kept:
            connection.used -= 11
        transport.leave_idle_sessions()
        assert transport.pool._kept == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"LETTERLOCK_LEASE_SECONDS": "10", "LETTERLOCK_SMTP_SECONDS": "3"}, "LETTERLOCK_SMTP_SECONDS: must be at most a fifth"),
        ({"LETTERLOCK_SMTP_TLS": "never"}, "LETTERLOCK_SMTP_TLS: must be one of: auto, opportunistic, verified"),
        ({"LETTERLOCK_RELAY_SESSIONS": "0"}, "LETTERLOCK_RELAY_SESSIONS: must be a whole number from 1"),
    ],
    ids=["waits", "tls", "sessions"],
)
def test_it_does_not_start_with_settings_that_could_send_twice_or_never(wrong: dict[str, str], words: str) -> None:
    environment = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://x@/x", "REDIS_URL": "redis://x", "LETTERLOCK_POLICY_ARC": "1.3", **wrong}
    command = [sys.executable, "-c", "import portal.settings"]
    done = subprocess.run(command, cwd=django_settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert words in done.stderr


def test_it_opens_new_sessions_where_the_kept_ones_are_gone(inbox_server: InboxServer, settings: Settings, ends: Ends) -> None:
    del inbox_server
    with running(FalseRelay()) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        hand(mails(2), ends)
        for connection in transport.pool._kept:
            connection.socket.shutdown(1)
        time.sleep(0.1)
        hand(mails(2), ends)
    assert ends.ends == [End.TAKEN] * 4


@pytest.mark.parametrize("answer", [b"421 enough\r\n", None], ids=["421", "hangs up"])
def test_it_goes_on_where_a_relay_takes_few_mails_a_session(answer: bytes | None, settings: Settings, ends: Ends) -> None:
    settings.LETTERLOCK_RELAY_SESSIONS = 2
    session = threading.local()

    def mail(_line: str) -> bytes | None:
        session.mails = getattr(session, "mails", 0) + 1
        return b"250 ok\r\n" if session.mails <= 3 else answer

    with running(FalseRelay({"MAIL": mail})) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        assert hand(mails(20), ends) == Rest([])
        assert len(false.mails) == 20
    assert ends.ends == [End.TAKEN] * 20


def test_it_says_where_the_relay_is_away(settings: Settings, ends: Ends) -> None:
    settings.LETTERLOCK_SMTP_URL = "smtp://127.0.0.1:1"
    rest = hand(mails(5), ends)
    assert len(rest.mails) == 5
    assert "ConnectionRefused" in rest.fault
    assert ends.ends == []


def test_it_leaves_a_relay_that_breaks_every_session(settings: Settings, ends: Ends) -> None:
    with running(FalseRelay({"MAIL": say(None)})) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        rest = hand(mails(500), ends)
        assert len(false.heard) < 50, "it is not called again and again"
    assert "closed the session" in rest.fault
    assert len(rest.mails) + len(ends.ends) == 500


def test_it_begins_nothing_that_could_outlast_its_lease(inbox_server: InboxServer, ends: Ends) -> None:
    rest = hand_over(mails(2), ends, deadline=time.monotonic() + 29)
    assert (len(rest.mails), rest.fault) == (2, "")
    assert not inbox_server.inbox.mails()


def test_it_is_over_when_its_lease_is(settings: Settings, ends: Ends) -> None:
    """The relay has a mail and says nothing: the lease ends before the waiting would."""
    with running(FalseRelay({END: say(b"")})) as false:
        settings.LETTERLOCK_SMTP_URL = false.url
        settings.LETTERLOCK_SMTP_SECONDS = 1
        hand_over(mails(1), ends, deadline=time.monotonic() + 3.2)
    assert ends.ends == [End.IN_DOUBT]
