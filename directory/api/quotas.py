"""How many addresses may be looked up in a minute: by whom has a token, and by an address range without one.

Counted in Redis for all processes, out of which each leases blocks of a fiftieth of the limit: it asks Redis when its block is used up. The
limit is never passed; a caller who uses several processes may be refused by the blocks of the others, so from a fiftieth a process below the limit.
Near the limit, and where a fiftieth is less than two (so for callers without a token), no more is leased than is asked for.
While Redis does not answer, each process counts for itself: neither closed to all nor open to harvesters.
"""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

import redis
from django.conf import settings

from directory.errors import OverQuotaError
from directory.models import ApiToken

WINDOW_SECONDS = 60
_log = logging.getLogger(__name__)

BLOCKS = 50
# From this share of the limit on, blocks are no larger than what is asked for.
_NEAR = 0.8
# How long Redis is not asked again after it did not answer.
AWAY_SECONDS = 2

# What is refused is not counted, or one large request would shut a caller out for the rest of the minute. Gives what was leased, 0 for a refusal.
_LEASE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local least, block, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if used + least > limit then return 0 end
local leased = least
if block > least and used + block <= limit * tonumber(ARGV[4]) then leased = block end
redis.call('INCRBY', KEYS[1], leased)
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
return leased
"""


class _Leases:
    """What this process may still give out in this window, by caller and limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = 0
        self._left: dict[tuple[str, int], int] = {}
        self._own: dict[tuple[str, int], int] = {}

    def take(self, caller: str, cost: int, limit: int, *, window: int) -> int:
        """Take at most `cost` out of what is left; how much that was."""
        with self._lock:
            if window != self._window:
                self._window = window
                self._left.clear()
                self._own.clear()
            key = caller, limit
            left = self._left.get(key, 0)
            taken = min(cost, left)
            if taken:
                self._left[key] = left - taken
            return taken

    def put(self, caller: str, spare: int, limit: int, *, window: int) -> None:
        """Keep what is spare for the next time."""
        with self._lock:
            if window == self._window and spare:
                self._left[caller, limit] = self._left.get((caller, limit), 0) + spare

    def count_alone(self, caller: str, cost: int, limit: int) -> bool:
        """As if there were no other process."""
        with self._lock:
            used = self._own.get((caller, limit), 0)
            if used + cost > limit:
                return False
            self._own[caller, limit] = used + cost
            return True

    def forget(self) -> None:
        with self._lock:
            self._left.clear()
            self._own.clear()


_leases = _Leases()


def take(*, token: ApiToken | None, meta: Mapping[str, Any], cost: int, at: datetime) -> None:
    """Take `cost` look-ups out of the caller's quota; raises OverQuotaError when that is more than is left.

    `meta` is the request's META, by which a caller without a token is known.
    """
    if token is not None:
        caller, limit = token.caller, settings.LETTERLOCK_TOKEN_QUOTA
    else:
        caller, limit = f"net:{address_range(client_address(meta))}", settings.LETTERLOCK_ANONYMOUS_QUOTA
    window, into = divmod(int(at.timestamp()), WINDOW_SECONDS)
    if not _take(caller, cost, limit, window=window):
        raise OverQuotaError("Too many look-ups in a minute.", limit=limit, retry_after=WINDOW_SECONDS - into)


def client_address(meta: Mapping[str, Any]) -> str:
    """The caller's IP address; behind a proxy the last one in X-Forwarded-For, which is the proxy's own word."""
    if settings.LETTERLOCK_BEHIND_PROXY:
        last = str(meta.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        if last:
            return last
    return str(meta.get("REMOTE_ADDR", ""))


def address_range(text: str) -> str:
    """What one subscriber can have many of: a /24 of IPv4, a /64 of IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    return str(ip_network((address, 24 if address.version == 4 else 64), strict=False))  # noqa: PLR2004 - IP's own number


@cache
def _redis(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


_away_until = 0.0


def _take(caller: str, cost: int, limit: int, *, window: int) -> bool:
    taken = _leases.take(caller, cost, limit, window=window)
    missing = cost - taken
    if not missing:
        return True
    leased = _lease(f"quota:{caller}:{window}", missing, limit)
    _leases.put(caller, leased - missing if leased else taken, limit, window=window)
    return bool(leased) if leased is not None else _leases.count_alone(caller, cost, limit)


def _lease(key: str, least: int, limit: int) -> int | None:
    """What Redis gives of at least `least`: 0 if there is not so much; None while it does not answer."""
    global _away_until  # noqa: PLW0603 - of the process
    if time.monotonic() < _away_until:
        return None
    try:
        return int(_redis(settings.REDIS_URL).eval(_LEASE, 1, key, least, limit // BLOCKS, limit, _NEAR, 2 * WINDOW_SECONDS))
    except redis.RedisError as error:
        _away_until = time.monotonic() + AWAY_SECONDS
        _log.warning("Redis does not answer (%s): look-ups are counted in this process alone.", type(error).__name__)
    return None


def forget_own_counts() -> None:
    """Let this process count from nothing again, and ask Redis."""
    global _away_until  # noqa: PLW0603 - of the process
    _away_until = 0.0
    _leases.forget()
