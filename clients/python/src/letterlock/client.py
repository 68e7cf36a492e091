"""The client that waits for its answers."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from .answers import AcceptedMessage, Lookup
from .cache import Cache
from .errors import TransportError, UnusableAnswerError
from .protocol import LOOKUP_PATH, Api, Asking, Failure, Pause, Request, Response, Server

T = TypeVar("T")
SECONDS = 10.0
CACHED = 1000
RETRIES = 2


def now() -> datetime:
    return datetime.now(UTC)


def _without_addresses(record: logging.LogRecord) -> bool:
    """httpx writes each request's whole address into the log: who is written to does not belong there."""
    if isinstance(record.args, tuple):
        told = (part.copy_with(query=None) if isinstance(part, httpx.URL) and part.path.endswith(LOOKUP_PATH) else part for part in record.args)
        record.args = tuple(told)
    return True


logging.getLogger("httpx").addFilter(_without_addresses)


class Client:
    """Asks one Letterlock server. For use by many threads; a context manager, or `close` it.

    `url` is like `https://letterlock.example.com`, plain HTTP is for this machine alone. `token` is an API token or None for anonymous look-ups;
    `ca` a PEM file of authorities for TLS in place of the system's. `timeout` is in seconds, for a connection and for a whole answer.
    With `patience` it waits so many seconds in all where the server says 429 with Retry-After. What fails on the way is
    repeated `retries` times. `cached` answers are kept.
    Raises ConfigurationError.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | Path | None = None,
        timeout: float = SECONDS,
        patience: float = 0.0,
        retries: int = RETRIES,
        cached: int = CACHED,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._server = Server.at(url, token=token, ca=ca)
        self._api = Api(cache=Cache(cached), patience=patience, retries=retries, clock=clock)
        self._seconds = timeout
        self._http = httpx.Client(**options(self._server, timeout))
        self._pause = threading.Event()

    def look_up(self, email: str, *, usage: str = "encrypt", at: datetime | None = None, receipt: bool = False) -> Lookup:
        """The certificates of one address, for `usage` encrypt or sign, now or at a past moment (aware), with the choice's receipt if asked for.

        Raises BadAddressError, TransportError, UnusableAnswerError, ProblemError and what is under them.
        """
        return self._carry_out(self._api.look_up(email, usage=usage, moment=at, receipt=receipt))

    def look_up_many(self, emails: Iterable[str], *, usage: str = "encrypt", at: datetime | None = None) -> list[Lookup]:
        """One answer an address, in their order, asked for in batches of 1000; what is no address is `malformed`. Raises as `look_up`."""
        return self._carry_out(self._api.look_up_many(emails, usage=usage, moment=at))

    def send(self, request: Mapping[str, Any], *, idempotency_key: str) -> list[AcceptedMessage]:
        """Hand a request of `POST /api/v1/messages` over, to be sealed by the portal; repeated after a failure with the same key.

        Raises TransportError, UnusableAnswerError, ProblemError and what is under them.
        """
        return self._carry_out(self._api.send(request, key=idempotency_key))

    def close(self) -> None:
        self._pause.set()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._server.url!r})"

    def _carry_out(self, asking: Asking[T]) -> T:
        result: Response | Failure | None = None
        while True:
            try:
                step = asking.send(result)
            except StopIteration as stop:
                answer: T = stop.value
                return answer
            if isinstance(step, Pause):
                self._pause.wait(step.seconds)
                result = None
            else:
                try:
                    result = self._perform(step)
                except TransportError as error:
                    result = Failure(error)

    def _perform(self, request: Request) -> Response:
        until = time.monotonic() + self._seconds
        try:
            with self._http.stream(
                request.method, self._server.url + request.path, headers=self._server.headers(request), content=request.body
            ) as response:
                body = Body(response, request.most)
                for part in response.iter_raw():
                    body.add(part)
                    if time.monotonic() > until:
                        raise TransportError("the server took too long to answer")
                return body.response()
        except httpx.HTTPError as error:
            raise transport_error(error) from error


class Body:
    """A body that is read as far as it may be."""

    def __init__(self, response: httpx.Response, most: int) -> None:
        """Raises UnusableAnswerError for a compressed one, which was not asked for."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnusableAnswerError("the answer is compressed, which was not asked for")
        self._response, self._most, self._parts, self._size = response, most, list[bytes](), 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            raise UnusableAnswerError(f"the answer is larger than {self._most} octets")
        self._parts.append(part)

    def response(self) -> Response:
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Response(self._response.status_code, headers, b"".join(self._parts))


def options(server: Server, seconds: float) -> dict[str, Any]:
    """What both kinds of client are made with: no redirects, and for this machine no proxy."""
    return {
        "verify": server.context,
        "timeout": httpx.Timeout(seconds),
        "follow_redirects": False,
        "trust_env": not server.local,
    }


def transport_error(error: httpx.HTTPError) -> TransportError:
    """Without the address that was asked for, which stands in some of httpx's texts."""
    words = {
        httpx.ConnectTimeout: "cannot be reached in time",
        httpx.TimeoutException: "took too long to answer",
        httpx.ConnectError: "cannot be reached, or is not who its certificate says",
    }
    return TransportError(f"the server {next((text for kind, text in words.items() if isinstance(error, kind)), 'broke the connection off')}")
