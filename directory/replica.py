"""A copy of the database that look-ups read (DATABASE_REPLICA_URL), as long as it keeps up; everything else reads the primary.

A revocation counts on the primary at once. That the copy shows it too is watched: every few seconds a process notes how far the primary has
written, and a copy that has not come that far after `MOST_LAG_SECONDS` is not asked until it has.
"""

import logging
import threading
import time
from collections import deque

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

REPLICA = "replica"
LOOK_SECONDS = 5.0
MOST_LAG_SECONDS = 10.0
CONNECT_SECONDS = 3
_log = logging.getLogger(__name__)

# A place in the log of what was written (WAL), as a number; None where the server is no standby, and so has nothing to catch up with.
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_REPLAYED = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END"


class Lag:
    """Whether a copy keeps up, out of pairs of how far the primary has written and the copy has come."""

    def __init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque()

    def keeps_up(self, *, written: int | None, replayed: int | None, now: float) -> bool:
        """`written` is None while the primary does not answer: then nothing is added to what the copy must have. `now` is in seconds."""
        if written is not None:
            self._written.append((now, written))
        while len(self._written) > 1 and self._written[1][0] <= now - MOST_LAG_SECONDS:
            self._written.popleft()
        if replayed is None:
            return True
        return not self._written or self._written[0][0] > now - MOST_LAG_SECONDS or replayed >= self._written[0][1]


_trusted = True
_watching = False
_watcher: threading.Thread | None = None
_starting = threading.Lock()


def alias() -> str:
    """The name of the database that look-ups read now."""
    if REPLICA not in connections.databases:
        return DEFAULT_DB_ALIAS
    if _watching and _watcher is None:
        _start()
    return REPLICA if _trusted else DEFAULT_DB_ALIAS


def connect(name: str, *, milliseconds: int) -> "psycopg.Connection[tuple[object, ...]]":
    """A connection of its own to one of the databases of the settings, outside of transactions; a query ends after `milliseconds`."""
    found = connections[name].settings_dict
    parts = {"dbname": found["NAME"], "user": found["USER"], "password": found["PASSWORD"], "host": found["HOST"], "port": found["PORT"]}
    given = {key: value for key, value in {**parts, **found.get("OPTIONS", {})}.items() if value}
    given["options"] = f"{given.get('options', '')} -c statement_timeout={milliseconds}".strip()
    return psycopg.connect(**{"connect_timeout": CONNECT_SECONDS, "application_name": "letterlock look-up", **given}, autocommit=True)


def begin() -> None:
    """Have each process that reads the copy watch it."""
    global _watching  # noqa: PLW0603 - of the process
    _watching = True


def _start() -> None:
    global _watcher  # noqa: PLW0603 - of the process
    with _starting:
        if _watcher is None:
            _watcher = threading.Thread(target=_look_again_and_again, name="replica", daemon=True)
            _watcher.start()


def _look_again_and_again() -> None:
    lag = Lag()
    while True:
        trust(keeps_up=look(lag, now=time.monotonic()))
        time.sleep(LOOK_SECONDS)


def look(lag: Lag, *, now: float) -> bool:
    """Ask both how far they are; whether the copy may be read. One that cannot be reached may not."""
    try:
        replayed = _place(REPLICA, _REPLAYED)
    except psycopg.Error:
        return False
    try:
        written = _place(DEFAULT_DB_ALIAS, _WRITTEN)
    except psycopg.Error:
        written = None
    return lag.keeps_up(written=written, replayed=replayed, now=now)


def trust(*, keeps_up: bool) -> None:
    """Read the copy from now on, or the primary."""
    global _trusted  # noqa: PLW0603 - of the process
    if keeps_up is not _trusted:
        _log.warning("Look-ups read %s.", "the replica again" if keeps_up else "the primary: the replica lags or cannot be reached")
    _trusted = keeps_up


def _place(name: str, query: str) -> int | None:
    with connect(name, milliseconds=2000) as connection:
        row = connection.execute(query.encode()).fetchone()
    return None if row is None or row[0] is None else int(str(row[0]))
