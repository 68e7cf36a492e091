"""Postfix's own test server on the other side: fast, slow, refusing, and leaving in the middle."""

import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailer.smtp.flight import Flight
from mailer.smtp.lane import End
from mailer.smtp.opening import Relay
from mailer.smtp.pool import Pool
from tests.interop.engine import Requirement, need
from tests.mailer.smtp.conftest import OCTETS, Ledger, mails_to

PROGRAM = "/usr/sbin/smtp-sink"
POSTFIX = Requirement(("postfix",), (PROGRAM,))
PEOPLE = [f"c{number}@people.example.org" for number in range(120)]


@contextmanager
def sink(*options: str) -> Iterator[Relay]:
    need("smtp-sink", POSTFIX)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen([PROGRAM, *user, *options, f"127.0.0.1:{port}", "100"])
    try:
        for _try in range(500):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        yield Relay("127.0.0.1", port, "worker.example.org", 20.0)
    finally:
        process.terminate()
        process.wait(10)


def handed_over(relay: Relay, octets: bytes = OCTETS) -> Ledger:
    """All mails on sessions of a pool, opened anew for as long as any are left."""
    book, pool = Ledger(), Pool()
    now = time.monotonic()
    flight = Flight(mails_to(*PEOPLE, octets=octets), book, seconds=relay.seconds, begins_by=now + 60, ends_by=now + 100)
    while flight.left:
        pool.give(flight.fly(pool.take(relay, 10)))
    pool.close()
    assert Counter(one.mail.key for one in book.ended) == Counter(PEOPLE), "each mail ends once"
    return book


@pytest.mark.parametrize("options", [(), ("-p",), ("-e",), ("-8",)], ids=" ".join)
def test_it_takes_them_all(options: tuple[str, ...]) -> None:
    """With and without pipelining, and with no extensions at all."""
    with sink(*options) as relay:
        book = handed_over(relay)
    assert set(book.ends.values()) == {End.TAKEN}
    assert book.commits < len(PEOPLE)


def test_it_takes_large_ones() -> None:
    """Each larger than what the system keeps for a socket, all at once."""
    with sink() as relay:
        book = handed_over(relay, OCTETS + (b"x" * 70 + b"\r\n") * 8000)
    assert set(book.ends.values()) == {End.TAKEN}


@pytest.mark.parametrize(
    ("options", "end", "words"),
    [
        (("-f", "rcpt"), End.REFUSED, "500"),
        (("-r", "rcpt"), End.REFUSED, "450"),
        (("-f", "mail"), End.REFUSED, "500"),
        (("-f", "data"), End.DENIED, "500"),
        (("-r", "."), End.DENIED, "450"),
        (("-f", "."), End.DENIED, "500"),
        (("-q", "."), End.IN_DOUBT, "closed"),
        (("-q", "data"), End.CUT, "closed"),
        (("-q", "rcpt"), End.UNANSWERED, "closed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_tells_each_way_of_not_taking_them_apart(options: tuple[str, ...], end: End, words: str) -> None:
    with sink(*options) as relay:
        book = handed_over(relay)
    assert set(book.ends.values()) == {end}
    assert all(words in book.words(to) for to in PEOPLE[:3])
