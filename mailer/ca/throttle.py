"""A budget of signatures: so many at once, refilled at a steady rate."""

from threading import Lock
from time import monotonic

from mailer.ca.errors import BusyError


class Throttle:
    """A token bucket that threads may share. `per_minute` signatures, of which `burst` may come at once."""

    def __init__(self, *, per_minute: int, burst: int) -> None:
        self._rate = per_minute / 60
        self._most = float(burst)
        self._left = float(burst)
        self._filled_at = monotonic()
        self._lock = Lock()

    def spend(self) -> None:
        """Take one signature's worth. Raises BusyError when the budget is spent."""
        with self._lock:
            now = monotonic()
            self._left = min(self._most, self._left + (now - self._filled_at) * self._rate)
            self._filled_at = now
            if self._left < 1:
                raise BusyError("the signer's budget is spent for now")
            self._left -= 1
