"""One line to the relay: what is to be written waits here, and what was answered. It never blocks unless it is asked to wait."""

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from .errors import BrokenError
from .replies import Reply, ReplyReader

_READ = 65536
# TLS says that it needs the other direction first; to us both mean: not now.
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """A connected socket, in clear or under TLS. `extensions` are the words of EHLO's answer with their parameters."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.socket = line
        self.replies: deque[Reply] = deque()
        self.extensions: dict[str, str] = {}
        self.used = time.monotonic()
        self.broken: BrokenError | None = None
        # The relay has heard MAIL and nothing that ends it: RSET comes before the next.
        self.has_open_mail = False
        # It has brought a mail to an answer, so a break tells more of its age than of the next mail.
        self.has_served = False
        self._out: list[bytes | memoryview] = []
        self._reader = ReplyReader()

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def unsent(self) -> int:
        """Octets of what was put that have not left this process, so that the relay cannot have them."""
        return sum(map(len, self._out))

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way in either direction as far as this process knows."""
        return not self._out and not self.replies and self._reader.is_empty and self.broken is None

    def put(self, *octets: bytes) -> None:
        """Write when `flush` or `pump` is called: what is put one after the other goes together."""
        self._out.extend(octets)

    def flush(self) -> None:
        """Write what goes without waiting."""
        if self._out:
            self._try(self._write)

    def pump(self) -> None:
        """Write what goes and read what has come, without waiting. An end is noted in `broken`; what was said before it is in `replies`."""
        self.used = time.monotonic()
        self._try(self._write)
        self._try(self._read)

    def wait(self, deadline: float) -> Reply:
        """The next reply. Raises BrokenError if there is none before the deadline (monotonic), however busily the relay drips."""
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            while True:
                self.pump()
                if self.replies:
                    return self.replies.popleft()
                if self.broken:
                    raise self.broken
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BrokenError("the relay did not answer in time")
                selector.modify(self, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0))
                selector.select(left)

    def ask(self, command: bytes, deadline: float) -> Reply:
        """Say one line and wait for its reply. Raises BrokenError."""
        self.put(command + b"\r\n")
        return self.wait(deadline)

    def reply_lines(self) -> list[str]:
        return self._reader.lines()

    def hide(self, context: ssl.SSLContext, host: str, deadline: float) -> None:
        """Go on under TLS. Raises BrokenError, also where something was said ahead of it: that could be anybody's (RFC 3207 section 6)."""
        if not self.is_quiet:
            raise BrokenError("the relay spoke ahead of TLS")
        try:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
            self.socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        except (OSError, ValueError) as error:
            raise BrokenError(f"no TLS with the relay: {type(error).__name__}") from error

    def close(self) -> None:
        self.socket.close()

    def quit(self) -> None:
        """Say good-bye without waiting for an answer."""
        try:
            if self.is_quiet:
                self.socket.send(b"QUIT\r\n")
        except OSError:
            pass
        self.close()

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            self.broken = self.broken or BrokenError(f"the session with the relay ended: {type(error).__name__}")
        except BrokenError as error:
            self.broken = self.broken or error

    def _write(self) -> None:
        """One call to the system for all that waits: a mail and the commands behind it, in one packet where it fits."""
        while self._out:
            whole = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            try:
                sent = self.socket.send(whole)
            except _NOT_NOW:
                self._out = [whole]
                return
            self._out = [] if sent == len(whole) else [memoryview(whole)[sent:]]

    def _read(self) -> None:
        while True:
            try:
                octets = self.socket.recv(_READ)
            except _NOT_NOW:
                return
            if not octets:
                raise BrokenError("the relay closed the session")
            self.replies.extend(self._reader.feed(octets))
            if len(octets) < _READ and not isinstance(self.socket, ssl.SSLSocket):
                return
