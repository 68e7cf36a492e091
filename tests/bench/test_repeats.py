"""Bundled requests are answered each, and nothing but an answer out of the cache counts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.errors import NotMeasuredError
from bench.load import Load
from bench.repeats import Bundles, bundles

answered: list[str] = []


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"HTTP/1.1 500 is only text here\r\n\r\n" * 3000
        self.send_response(429 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Cache", "MISS" if self.path == "/missed" else "HIT")
        self.end_headers()
        self.wfile.write(body)
        answered.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[int]:
    answered.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


HIT = partial(Bundles, mark=b"\r\nX-Cache: HIT\r\n")


def test_it_has_every_request_of_a_bundle_answered() -> None:
    paths = [f"/{number}" for number in range(100)]
    with serving() as port:
        assert Load(port, bundles(paths), caller=HIT).run(2) == 2
        assert sorted(answered) == sorted(paths)


@pytest.mark.parametrize("path", ["/missed", "/broken"])
def test_it_counts_nothing_but_hits(path: str) -> None:
    with serving() as port, pytest.raises(NotMeasuredError, match="nginx answered"):
        Load(port, bundles(["/1", path, "/2"]), caller=HIT).run(1)
