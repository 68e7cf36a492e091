"""Look-ups that are repeated, answered by nginx out of its cache, against nginx with the same answers as files."""

import http.client
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import house
from bench.errors import NotMeasuredError
from bench.floors.nginx import nginx
from bench.interleave import compare
from bench.load import Caller, Load, get
from bench.lookups import get_of
from bench.rows import Goal, Row, Sense, of_ratio

ENTRIES, BUNDLE = 1000, 50
QUOTA = {"LETTERLOCK_ANONYMOUS_QUOTA": "1000000"}

REPEATS = "repeated look-ups through nginx: look-ups/s, against nginx with the answers as files"
GOALS = {REPEATS: Goal(Sense.AT_LEAST, 0.7)}
_LENGTH = b"\r\nContent-Length: "


class Bundles(Caller):
    """Sends several requests at once (RFC 9112 section 9.3.2): one by one they would keep the load busier than nginx."""

    def __init__(self, port: int, *, mark: bytes) -> None:
        super().__init__(port)
        self._mark, self._left, self._place, self._answers = mark, 0, 0, bytearray()

    def send(self, request: bytes) -> None:
        self._left, self._place = request.count(b"\r\n\r\n"), 0
        self._answers.clear()
        self.socket.sendall(request)

    def receive(self) -> bool:
        self._answers += self.take()
        while self._left:
            end = self._answers.find(b"\r\n\r\n", self._place)
            if end < 0:
                return False
            head = bytes(self._answers[self._place : end + 2])
            if not head.startswith(b"HTTP/1.1 200 ") or self._mark not in head:
                raise NotMeasuredError(f"nginx answered {head[:300]!r}")
            length = int(head.split(_LENGTH, 1)[1].split(b"\r\n", 1)[0])
            if len(self._answers) < end + 4 + length:
                return False
            self._place, self._left = end + 4 + length, self._left - 1
        return True


def rows() -> Iterator[Row]:
    with house.opened() as bare:
        opened = bare.with_settings(QUOTA)
        opened.furnish("lookups", str(ENTRIES))
        emails = [f"c{number}@example.net" for number in range(1, ENTRIES + 1)]
        with house.on_cores(opened.servers):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cores[0]})
            with opened.gunicorn("portal.wsgi") as web, nginx(opened, web.port) as (port, files):
                os.sched_setaffinity(0, {cores[-1]})
                keep(port, emails, files)
                ours = bundles([get_of(email) for email in emails])
                against = bundles([f"/{email}" for email in emails])
                # Everything has to come out of the cache: what did not would be the portal's own speed.
                hit, file = partial(Bundles, mark=b"\r\nX-Cache: HIT\r\n"), partial(Bundles, mark=b"\r\nETag: ")
                found = compare(Load(port, ours, caller=hit).run, Load(port, against, caller=file).run, rounds=7, seconds=0.5)
                yield of_ratio(REPEATS, found.ours * BUNDLE, found.against * BUNDLE, found.ratio, GOALS[REPEATS])


def keep(port: int, emails: Sequence[str], files: Path) -> None:
    """Have each answered once, so that it is in the cache, and write the answer to a file of the address's name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for email in emails:
        connection.request("GET", get_of(email), headers={"Host": "127.0.0.1"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or b'"found"' not in body:
            raise NotMeasuredError(f"the portal answered {answer.status} {body[:200]!r}")
        (files / email).write_bytes(body)
        (files / email).chmod(0o644)


def bundles(paths: Sequence[str]) -> list[bytes]:
    requests = [get(path) for path in paths]
    return [b"".join(requests[start : start + BUNDLE]) for start in range(0, len(requests), BUNDLE)]
