"""Charlie's server: it speaks the directory's language and says whatever it is told to."""

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.pki import Holder

JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    """One answer; `drip` is the pause before each further octet of the body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    body: bytes = b"{}"
    drip: float = 0.0


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def email(self) -> str:
        return parse_qs(urlsplit(self.path).query)["email"][0]


def described(holder: Holder, **other: Any) -> dict[str, Any]:
    """A certificate as the API shows it, with what Charlie says otherwise."""
    certificate = holder.certificate
    told = {
        "fingerprint": hashlib.sha256(holder.der).hexdigest(),
        "usage": ["encrypt", "sign"],
        "level": "V4",
        "identity": {"name": None, "organization": None, "organization_id": None, "country": None},
        "issuer": "CN=Test",
        "source": "issued",
        "key": {"type": "EC", "curve": "P-256"},
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "selected": True,
        "der": base64.b64encode(holder.der).decode(),
    }
    return told | other


def found(email: str, *certificates: dict[str, Any]) -> bytes:
    return json.dumps({"email": email, "status": "found", "certificates": certificates}).encode()


class FalseDirectory:
    """Answers each request with what `answer` makes of it; `asked` is what came. A context manager."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda _asked: Reply()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_address[1]}"

    def says(self, *replies: Reply) -> None:
        """These in turn, the last one ever again."""
        left = list(replies)
        self.answer = lambda _asked: left.pop(0) if len(left) > 1 else left[0]

    def gives(self, email: str, *certificates: dict[str, Any]) -> None:
        """These certificates for an address, in the single answer and in the batch."""
        one = found(email, *certificates)
        self.answer = lambda asked: Reply(body=one if asked.method == "GET" else b'{"results":[' + one + b"]}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(size))
                told.asked.append(asked)
                reply = told.answer(asked)
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    if reply.drip:
                        for octet in reply.body:
                            self.wfile.write(bytes((octet,)))
                            self.wfile.flush()
                            time.sleep(reply.drip)
                    else:
                        self.wfile.write(reply.body)
                except OSError:
                    pass  # the client has had enough

            do_GET = do_POST = respond  # noqa: N815 - http.server's names

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler
