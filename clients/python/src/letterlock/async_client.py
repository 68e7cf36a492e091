"""The client that is awaited."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import httpx

from .answers import AcceptedMessage, Lookup
from .cache import Cache
from .client import CACHED, RETRIES, SECONDS, Body, now, options, transport_error
from .errors import TransportError
from .protocol import Api, Asking, Failure, Pause, Request, Response, Server

T = TypeVar("T")


class AsyncClient:
    """As `Client`, and every method is awaited."""

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
        self._http = httpx.AsyncClient(**options(self._server, timeout))

    async def look_up(self, email: str, *, usage: str = "encrypt", at: datetime | None = None, receipt: bool = False) -> Lookup:
        """As `Client.look_up`."""
        return await self._carry_out(self._api.look_up(email, usage=usage, moment=at, receipt=receipt))

    async def look_up_many(self, emails: Iterable[str], *, usage: str = "encrypt", at: datetime | None = None) -> list[Lookup]:
        """As `Client.look_up_many`."""
        return await self._carry_out(self._api.look_up_many(emails, usage=usage, moment=at))

    async def send(self, request: Mapping[str, Any], *, idempotency_key: str) -> list[AcceptedMessage]:
        """As `Client.send`."""
        return await self._carry_out(self._api.send(request, key=idempotency_key))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncClient({self._server.url!r})"

    async def _carry_out(self, asking: Asking[T]) -> T:
        result: Response | Failure | None = None
        while True:
            try:
                step = asking.send(result)
            except StopIteration as stop:
                answer: T = stop.value
                return answer
            if isinstance(step, Pause):
                await anyio.sleep(step.seconds)
                result = None
            else:
                try:
                    result = await self._perform(step)
                except TransportError as error:
                    result = Failure(error)

    async def _perform(self, request: Request) -> Response:
        headers = self._server.headers(request)
        try:
            with anyio.fail_after(2 * self._seconds):
                async with self._http.stream(request.method, self._server.url + request.path, headers=headers, content=request.body) as response:
                    body = Body(response, request.most)
                    async for part in response.aiter_raw():
                        body.add(part)
                    return body.response()
        except TimeoutError as error:
            raise TransportError("the server took too long to answer") from error
        except httpx.HTTPError as error:
            raise transport_error(error) from error
