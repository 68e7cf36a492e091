"""How many addresses may be looked up in a minute: by whom has a token, and by an address range without one.

Counted in Redis for all processes. While Redis does not answer, each process counts for itself: neither closed to all nor open to harvesters.
"""

import logging
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

# What is refused is not counted, or one large request would shut a caller out for the rest of the minute.
_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
if used == 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
return 1
"""


def take(*, token: ApiToken | None, meta: Mapping[str, Any], cost: int, at: datetime) -> None:
    """Take `cost` look-ups out of the caller's quota; raises OverQuotaError when that is more than is left.

    `meta` is the request's META, by which a caller without a token is known.
    """
    if token is not None:
        caller, limit = f"org:{token.organization_id}", settings.LETTERLOCK_TOKEN_QUOTA
    else:
        caller, limit = f"net:{address_range(client_address(meta))}", settings.LETTERLOCK_ANONYMOUS_QUOTA
    window, into = divmod(int(at.timestamp()), WINDOW_SECONDS)
    if not _take(f"quota:{caller}:{window}", cost, limit):
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


_own_counts: dict[str, int] = {}


def _take(key: str, cost: int, limit: int) -> bool:
    try:
        return bool(_redis(settings.REDIS_URL).eval(_TAKE, 1, key, cost, limit, 2 * WINDOW_SECONDS))
    except redis.RedisError as error:
        _log.warning("Redis does not answer (%s): look-ups are counted in this process alone.", type(error).__name__)
    window = key.rpartition(":")[2]
    for old in [known for known in _own_counts if not known.endswith(f":{window}")]:
        del _own_counts[old]
    used = _own_counts.get(key, 0)
    if used + cost > limit:
        return False
    _own_counts[key] = used + cost
    return True


def forget_own_counts() -> None:
    """Let this process count from nothing again."""
    _own_counts.clear()
