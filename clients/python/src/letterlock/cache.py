"""Answers kept as long as the server allows (RFC 9111), never beyond the end of a certificate in them, and only so many."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from .answers import Lookup

MOST_SECONDS = 24 * 3600
_FAR = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer; fresh until then, and afterwards to be asked for again with its entity tag, but gone at `ends`."""

    lookup: Lookup
    etag: str
    fresh_until: datetime
    ends: datetime


class Cache:
    """At most `size` answers, the longest unused leaves first. For use by many threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, *, at: datetime) -> Kept | None:
        """The answer, fresh or not; None if there is none or a certificate in it has ended."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.ends <= at:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return kept

    def put(self, key: Hashable, lookup: Lookup, headers: Mapping[str, str], *, at: datetime) -> None:
        """Keep an answer if its headers allow it."""
        seconds = allowed_seconds(headers)
        ends = min((certificate.not_after for certificate in lookup.certificates), default=_FAR)
        with self._lock:
            self._kept.pop(key, None)
            if seconds is None or ends <= at or self._size < 1:
                return
            self._kept[key] = Kept(lookup, headers.get("etag", ""), at + timedelta(seconds=seconds), ends)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def confirm(self, key: Hashable, kept: Kept, headers: Mapping[str, str], *, at: datetime) -> None:
        """The server says that the answer still holds (304)."""
        with self._lock:
            self._kept[key] = replace(kept, fresh_until=at + timedelta(seconds=allowed_seconds(headers) or 0))
            self._kept.move_to_end(key)


def allowed_seconds(headers: Mapping[str, str]) -> float | None:
    """How long an answer may be repeated without asking: 0 only with its entity tag, None not at all."""
    directives = {}
    for directive in headers.get("cache-control", "").lower().split(","):
        name, _equals, value = directive.strip().partition("=")
        directives[name] = value.strip('"')
    if "no-store" in directives:
        return None
    if "no-cache" in directives:
        return 0
    try:
        most, age = int(directives.get("max-age", "")), int(headers.get("age", "0"))
    except ValueError:
        return 0 if headers.get("etag") else None
    return max(0, min(most - max(0, age), MOST_SECONDS))
