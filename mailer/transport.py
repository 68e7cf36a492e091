"""The way to our relay, as this installation's settings have it, and this process's sessions with it."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.conf import settings

from mailer.smtp.errors import UnreachableError
from mailer.smtp.flight import Book, Flight
from mailer.smtp.opening import Relay, Tls
from mailer.smtp.pool import Pool
from mailer.smtp.wire import Mail

# A process of its own has sessions of its own; threads take turns only in tests.
pool = Pool()
# Sessions that break one after the other, all before any mail had an end.
_MOST_FRUITLESS = 2


class Rest(NamedTuple):
    """What was not handed over: for want of time, or, where `fault` says so, of a relay."""

    mails: list[Mail]
    fault: str = ""


def data_seconds() -> float:
    """The longest that one DATA can take: the prompt, the sending, the reply."""
    return 3.0 * settings.LETTERLOCK_SMTP_SECONDS


def relay() -> Relay:
    """The relay of `LETTERLOCK_SMTP_URL`."""
    parts = urlsplit(settings.LETTERLOCK_SMTP_URL)
    is_tls = parts.scheme == "smtps"
    return Relay(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (465 if is_tls else 25),
        own_name=settings.LETTERLOCK_MAIL_FROM.rpartition("@")[2],
        seconds=settings.LETTERLOCK_SMTP_SECONDS,
        is_tls=is_tls,
        tls=Tls(settings.LETTERLOCK_SMTP_TLS),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def leave_idle_sessions() -> None:
    """End the sessions that have been idle for too long to be used again."""
    pool.tidy(relay())


def hand_over(mails: Sequence[Mail], book: Book, *, deadline: float) -> Rest:
    """Hand over what can be before the deadline (monotonic), when the caller's lease ends; `book` is told how each mail ended."""
    to = relay()
    flight = Flight(mails, book, seconds=to.seconds, begins_by=deadline - data_seconds(), ends_by=deadline)
    fruitless = 0
    while (left := flight.left) and not flight.is_late:
        ends = flight.ends
        try:
            connections = pool.take(to, min(settings.LETTERLOCK_RELAY_SESSIONS, len(left)))
        except UnreachableError as error:
            return Rest(left, str(error))
        pool.give(flight.fly(connections))
        fruitless = fruitless + 1 if flight.ends == ends else 0
        if fruitless >= _MOST_FRUITLESS:
            return Rest(flight.left, flight.fault)
    return Rest(flight.left)
