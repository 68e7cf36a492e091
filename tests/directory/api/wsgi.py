"""Calls of a WSGI application (PEP 3333), as a web server makes them."""

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import quote

from directory.api.fast.application import Application

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


@dataclass
class Told:
    """What the application answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Backend:
    """Django behind the fast path: notes what it is asked."""

    def __init__(self, django: Application) -> None:
        self.django, self.asked = django, 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked += 1
        return self.django(environ, start_response)


def call(application: Application, method: str, path: str, query: str = "", body: bytes = b"", **environ: Any) -> Told:
    """One request; further variables of the environment by their names there."""
    told = Told()

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: ExcInfo | None = None) -> Any:
        told.status, told.headers = int(status.split(maxsplit=1)[0]), dict(headers)
        assert len(told.headers) == len(headers)

    given = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    given |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"} if body else {}
    found = application({**given, **environ}, start_response)
    told.body = b"".join(found)
    if hasattr(found, "close"):
        found.close()
    return told


def asking(email: str, **more: str) -> str:
    """A query for an address."""
    return "&".join(f"{name}={quote(value, safe='@')}" for name, value in {"email": email, **more}.items())
