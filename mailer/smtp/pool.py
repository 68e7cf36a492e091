"""Sessions that are kept open between flights."""

import os
import time
from collections.abc import Iterable

from .connection import Connection
from .errors import UnreachableError
from .opening import Relay, open_session


class Pool:
    """The open sessions of one process with one relay. Not for several threads at once."""

    def __init__(self) -> None:
        self._kept: list[Connection] = []
        self._relay: Relay | None = None
        self._process = os.getpid()

    def take(self, relay: Relay, count: int) -> list[Connection]:
        """At least one session and at most `count`, kept ones first. Raises UnreachableError."""
        self.tidy(relay)
        taken = [self._kept.pop() for _ in range(min(count, len(self._kept)))]
        while len(taken) < count:
            try:
                taken.append(open_session(relay))
            except UnreachableError:
                # Relays limit how many sessions a client has: those that there are do the work.
                if not taken:
                    raise
                break
        return taken

    def give(self, connections: Iterable[Connection]) -> None:
        """Take sessions back that are in no mail."""
        self._kept.extend(connections)

    def tidy(self, relay: Relay | None) -> None:
        """End the sessions that the relay has left or is about to: none idles longer than one wait for a reply. All of them for another relay."""
        if self._process != os.getpid():
            # They are the parent's, who goes on using them.
            self._kept, self._process = [], os.getpid()
        kept, self._kept = self._kept, []
        for connection in kept:
            age = time.monotonic() - connection.used
            connection.pump()
            if relay is not None and relay == self._relay and age < relay.seconds and connection.is_quiet:
                connection.used -= age
                self._kept.append(connection)
            else:
                connection.quit()
        self._relay = relay

    def close(self) -> None:
        self.tidy(None)
