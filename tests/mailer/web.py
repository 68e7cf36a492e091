"""A web server on this machine that answers as it is told and notes who came."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Web:
    """`asked` are the paths of the requests, `connections` counts who connected at all."""

    def __init__(self, address: str, encrypted: ssl.SSLContext | None) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.answer: Answer = gives(b"")
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 5

            def setup(self) -> None:
                web.connections += 1
                super().setup()

            def do_GET(self) -> None:
                web.asked.append(self.path)
                web.headers.append(dict(self.headers))
                web.answer(self)

            do_POST = do_GET  # noqa: N815 - an OCSP request would be one

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if encrypted is not None:
            # Shaken hands with in the request's own thread.
            self._server.socket = encrypted.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.address, self.port = address, int(self._server.server_address[1])

    def url(self, path: str = "/ca.crl", *, host: str = "") -> str:
        return f"http://{host or self.address}:{self.port}{path}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def gives(octets: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer with these octets."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(octets)), **{name.replace("_", "-"): value for name, value in headers.items()}}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(octets)

    return answer


@contextmanager
def serving(address: str = "127.0.0.1", *, encrypted: ssl.SSLContext | None = None) -> Iterator[Web]:
    web = Web(address, encrypted)
    web.start()
    try:
        yield web
    finally:
        web.stop()
