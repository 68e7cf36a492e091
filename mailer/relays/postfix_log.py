"""Reading Postfix's log: its own `maillog_file`, syslog's traditional lines, and RFC 5424 or ISO time stamps. Free of Django.

A log is outside input: lines are anchored at their head, so that nothing a mail's headers say can pass for a line of another kind; long
lines are left out, and one reading is bounded.
"""

import mmap
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

LONGEST_LINE = 8192
MOST_BYTES = 1 << 30
# Below this, a search by time goes on line by line.
_NEAR = 64 * 1024
# How far from its file's time of change the last line's time may be, once the zone is taken off.
_ADRIFT = timedelta(minutes=2)
_QUARTER = timedelta(minutes=15)
_STAMP = rb"(?:<\d{1,3}>1 )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)|[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d)"
# `postfix-out/submission/smtpd[12]: 4X...: text`; RFC 5424 has the process between spaces. Long queue ids are of digits and consonants.
_LINE = re.compile(
    _STAMP + rb" \S{1,255} ([\w.-]{1,64})(?:/[\w.-]{1,64}){0,3}/([a-z]{3,20})(?:\[(\d{1,10})\]: | (\d{1,10}) \S{1,64} (?:-|\[[^\]]*\]) {1,2})"
    rb"(?:([0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,30}): )?(.*)"
)
_ONLY_STAMP = re.compile(_STAMP + rb" ")


class LogError(Exception):
    """The log cannot be relied on; the text says why."""


class Line(NamedTuple):
    """One line of Postfix. `instance` is the syslog name's first part; `queue` is empty where the line names no queue file."""

    at: datetime
    instance: bytes
    program: bytes
    pid: bytes
    queue: bytes
    text: bytes


@dataclass
class Clock:
    """Times of one file. Traditional stamps have neither year nor zone: both are told by when the file was last written to."""

    changed: datetime
    zone: timedelta = timedelta(0)
    _last: tuple[bytes, datetime] = (b"", datetime.min)  # noqa: DTZ901 - never read

    def time(self, stamp: bytes) -> datetime:
        """Raises ValueError for what is no time."""
        if stamp != self._last[0]:
            self._last = stamp, self._time(stamp)
        return self._last[1]

    def _time(self, stamp: bytes) -> datetime:
        if stamp[:1].isdigit():
            return _iso(stamp)
        # A day ahead is left for zones.
        local = _traditional(stamp, self.changed.year)
        if local - self.changed > timedelta(days=2):
            local = _traditional(stamp, self.changed.year - 1)
        return local - self.zone


def logs_of(path: Path) -> list[Path]:
    """The log and what it was rotated to, uncompressed, oldest first. Raises OSError, LogError where there is none at all."""
    older = [other for other in path.parent.glob(f"{path.name}[.-]*") if other.suffix not in {".gz", ".bz2", ".xz", ".zst"} and other.is_file()]
    found = sorted(older, key=lambda other: other.stat().st_mtime)
    # Just after a rotation Postfix still writes to the old file, and there is no new one.
    if path.exists():
        found.append(path)
    if not found:
        raise LogError(f"there is no {path.name}")
    return found


def first_time(path: Path) -> datetime | None:
    """The time of the first line that has one. Raises OSError, LogError."""
    with _opened(path) as text:
        if text is None:
            return None
        clock = clock_of(path, text)
        found = _time_after(text, 0, clock)
        return found[1] if found else None


def lines(path: Path, *, since: datetime, programs: Collection[bytes]) -> Iterator[Line]:
    """The lines of these programs from `since` on, and some before it. Raises OSError, LogError (too much to read, times that make no sense)."""
    with _opened(path) as text:
        if text is None:
            return
        clock = clock_of(path, text)
        # An hour of daylight saving in the middle of the file is no reason to miss what is asked for.
        start = _seek(text, since - timedelta(minutes=75), clock)
        if len(text) - start > MOST_BYTES:
            raise LogError(f"more than {MOST_BYTES} bytes to read")
        text.seek(start)
        marks = [b"/" + program for program in programs]
        while raw := text.readline():
            # Most lines are of others, or of a mail that leaves: taking them apart is what costs.
            if not any(mark in raw for mark in marks) or raw.endswith(b": removed\n"):
                continue
            line = parse(raw, clock)
            if line is not None and line.program in programs:
                yield line


def parse(raw: bytes, clock: Clock) -> Line | None:
    """One line, None where it is not Postfix's, incomplete, or too long."""
    if len(raw) > LONGEST_LINE or not raw.endswith(b"\n"):
        return None
    found = _LINE.match(raw)
    if found is None:
        return None
    try:
        at = clock.time(found[1])
    except ValueError:
        return None
    return Line(at, found[2], found[3], found[4] or found[5], found[6] or b"", found[7])


def clock_of(path: Path, text: "mmap.mmap | bytes") -> Clock:
    """How this file's times are to be read. Raises LogError where its last line and its time of change do not go together."""
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    end = text.rfind(b"\n")
    start = text.rfind(b"\n", 0, end) + 1 if end > 0 else 0
    found = _ONLY_STAMP.match(text[start : start + 100])
    if found is None or found[1][:1].isdigit():
        return Clock(changed)
    ahead = Clock(changed).time(found[1]) - changed
    zone = round(ahead / _QUARTER) * _QUARTER
    if abs(ahead - zone) > _ADRIFT:
        raise LogError(f"the last line of {path.name} is not of when the file was changed")
    return Clock(changed, zone)


class _opened:  # noqa: N801 - used as a function
    """A file as one stretch of bytes, None where it is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None

    def __enter__(self) -> mmap.mmap | None:
        with self._path.open("rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # empty
                self._map = None
        return self._map

    def __exit__(self, *_: object) -> None:
        if self._map is not None:
            self._map.close()


def _seek(text: mmap.mmap, since: datetime, clock: Clock) -> int:
    """The start of a line before which all is older than `since`."""
    low, high = 0, len(text)
    while high - low > _NEAR:
        middle = (low + high) // 2
        found = _time_after(text, middle, clock)
        if found is not None and found[1] < since:
            low = found[0]
        else:
            high = middle
    return low


def _time_after(text: mmap.mmap, place: int, clock: Clock) -> tuple[int, datetime] | None:
    """The first line that begins at `place` or soon after it and has a time."""
    if place:
        place = text.find(b"\n", place) + 1
    for _line in range(1000):
        found = _ONLY_STAMP.match(text[place : place + 100])
        if found:
            try:
                return place, clock.time(found[1])
            except ValueError:
                pass
        place = text.find(b"\n", place) + 1
        if not 0 < place < len(text):
            return None
    return None


@lru_cache(maxsize=64)
def _iso(stamp: bytes) -> datetime:
    return datetime.fromisoformat(stamp.decode()).astimezone(UTC)


@lru_cache(maxsize=64)
def _traditional(stamp: bytes, year: int) -> datetime:
    return datetime.strptime(f"{year} {stamp.decode()}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
