"""The load asks as often as it says, understands answers in any pieces, and never counts an error as an answer."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.errors import NotMeasuredError
from bench.load import Load, get, post

asked: Counter[str] = Counter()


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked[self.path] += 1
        body = b"x" * 700_000
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.path = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[int]:
    asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("count", [1, 3, 25])
def test_it_asks_as_often_as_it_says_and_goes_on_where_it_ended(count: int) -> None:
    with serving() as port:
        load = Load(port, [get("/a"), post("/", b"/b")])
        assert load.run(count) == load.run(count) == count
    assert asked == Counter({"/a": count, "/b": count})


def test_it_does_not_count_an_error() -> None:
    with serving() as port, pytest.raises(NotMeasuredError, match="500"):
        Load(port, [get("/broken")]).run(1)
