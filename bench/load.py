"""A load of requests over a few connections that stay open, light enough to be far from the bottleneck."""

import selectors
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.errors import NotMeasuredError

CONNECTIONS = 4
_TAKEN = (b"HTTP/1.1 200 ", b"HTTP/1.1 202 ")
_LENGTH = b"content-length:"
WAIT_SECONDS = 60


class Caller(ABC):
    """One connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @abstractmethod
    def send(self, request: bytes) -> None: ...

    @abstractmethod
    def receive(self) -> bool:
        """Take what has come; whether the answer is whole. Raises NotMeasuredError for an answer that tells a failure."""

    def take(self) -> bytes:
        """Octets that have come, at least one. Raises NotMeasuredError."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise NotMeasuredError("the server closed a connection")
        return chunk

    def ask(self, request: bytes) -> None:
        """Have one request answered, with nothing else under way."""
        self.send(request)
        while not self.receive():
            pass


class HttpCaller(Caller):
    """Takes 200 and 202 for an answer."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._parts: list[bytes] = []
        self._left: int | None = None

    def send(self, request: bytes) -> None:
        self._parts, self._left = [], None
        self.socket.sendall(request)

    def receive(self) -> bool:
        chunk = self.take()
        if self._left is not None:
            self._left -= len(chunk)
            return self._left <= 0
        self._parts.append(chunk)
        head, end, body = b"".join(self._parts).partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(_TAKEN):
            raise NotMeasuredError(f"the server answered {head[:60]!r} {body[:200]!r}")
        lower = head.lower()
        start = lower.index(_LENGTH) + len(_LENGTH)
        self._left = int(lower[start:].split(b"\r\n", 1)[0]) - len(body)
        return self._left <= 0


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
    )


class Load:
    """Sends the requests in turn, over and over. Each call of `run` goes on where the last one ended."""

    def __init__(self, port: int, requests: Sequence[bytes], *, connections: int = CONNECTIONS, caller: Callable[[int], Caller] = HttpCaller) -> None:
        self._port, self._requests, self._connections, self._caller, self._next = port, requests, connections, caller, 0

    def run(self, count: int) -> int:
        """Have `count` requests answered. Raises NotMeasuredError."""
        with ExitStack() as stack, selectors.DefaultSelector() as selector:
            waiting = 0
            for _ in range(min(self._connections, count)):
                caller = self._caller(self._port)
                stack.enter_context(caller.socket)
                selector.register(caller.socket, selectors.EVENT_READ, caller)
                caller.send(self._take())
                waiting += 1
            sent = waiting
            while waiting:
                ready = selector.select(WAIT_SECONDS)
                if not ready:
                    raise NotMeasuredError(f"no answer within {WAIT_SECONDS} s")
                for key, _ in ready:
                    if not key.data.receive():
                        continue
                    if sent < count:
                        key.data.send(self._take())
                        sent += 1
                    else:
                        waiting -= 1
                        selector.unregister(key.fileobj)
        return count

    def _take(self) -> bytes:
        request = self._requests[self._next % len(self._requests)]
        self._next += 1
        return request
