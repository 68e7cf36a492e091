"""Ids that begin with the time of their making (UUID version 7, RFC 9562 section 5.7): new rows go to the end of an index, not anywhere in it."""

import os
from datetime import datetime
from uuid import UUID

_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
_RANDOM_BITS = (1 << 76) - 1 & ~(0x3 << 62)


def fresh_ids(count: int, *, at: datetime) -> list[UUID]:
    """So many ids of the millisecond `at`, each with 74 random bits."""
    time, random = int(at.timestamp() * 1000) << 80, os.urandom(10 * count)
    return [
        UUID(int=time | _VERSION_AND_VARIANT | int.from_bytes(random[start : start + 10], "big") & _RANDOM_BITS) for start in range(0, 10 * count, 10)
    ]
