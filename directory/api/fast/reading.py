"""Connections of the fast path's own: one a thread, kept open, with its queries prepared; to the replica where there is one that keeps up.

Queries go to libpq straight, with the driver's loaders for what comes back: its cursors take as long as PostgreSQL does for one address.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from django.db import DEFAULT_DB_ALIAS
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format

from directory import replica

# How long a thread asks the primary before it tries a replica again that it could not reach.
AWAY_SECONDS = 10
_QUERY_MILLISECONDS = 10_000
_log = logging.getLogger(__name__)


class _Connection:
    """A connection outside of any transaction, with what it has prepared."""

    def __init__(self, connection: "psycopg.Connection[Any]", alias: str) -> None:
        self.connection, self.alias = connection, alias
        self._libpq, self._loaders = connection.pgconn, Transformer(connection)
        self._prepared: dict[str, tuple[bytes, list[Format]]] = {}

    def rows(self, query: LiteralString, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """Raises psycopg.OperationalError for whatever goes wrong."""
        name, formats = self._prepared.get(query) or self._prepare(query, parameters)
        found = self._libpq.exec_prepared(name, [str(each).encode() for each in parameters], formats, Format.BINARY)
        if found.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(found.get_error_message())
        self._loaders.set_pgresult(found)
        return self._loaders.load_rows(0, found.ntuples, tuple)

    def _prepare(self, query: LiteralString, parameters: Sequence[object]) -> tuple[bytes, list[Format]]:
        first, *rest = query.split("%s")
        name = f"look_{len(self._prepared)}".encode()
        numbered = first + "".join(f"${place}{part}" for place, part in enumerate(rest, 1))
        done = self._libpq.prepare(name, numbered.encode())
        if done.status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError(done.get_error_message())
        # Text as its octets, with their number, so that nothing in it ends it; all else as PostgreSQL reads it.
        self._prepared[query] = name, [Format.BINARY if isinstance(each, str) else Format.TEXT for each in parameters]
        return self._prepared[query]


class _Kept(threading.local):
    connection: _Connection | None = None
    away_until = 0.0


_kept = _Kept()


def fetch(query: LiteralString, parameters: Sequence[object], /) -> list[tuple[Any, ...]]:
    """Run one prepared query outside of any transaction; its rows, read in binary. A connection that was dropped is opened anew, once."""
    kept, wanted = _kept, replica.alias()
    if wanted == replica.REPLICA and time.monotonic() < kept.away_until:
        wanted = DEFAULT_DB_ALIAS
    connection = kept.connection
    if connection is not None and connection.alias == wanted:
        try:
            return connection.rows(query, parameters)
        except psycopg.Error as error:
            _log.info("A connection of look-ups is opened anew (%s).", type(error).__name__)
    return _open(wanted).rows(query, parameters)


def close() -> None:
    """Close this thread's connection; the next one is tried where it should be."""
    kept, _kept.connection = _kept.connection, None
    _kept.away_until = 0.0
    if kept is not None:
        kept.connection.close()


def _open(alias: str) -> _Connection:
    close()
    try:
        connection = replica.connect(alias, milliseconds=_QUERY_MILLISECONDS)
    except psycopg.OperationalError:
        if alias != replica.REPLICA:
            raise
        _log.warning("The replica cannot be reached: look-ups read the primary.")
        _kept.away_until = time.monotonic() + AWAY_SECONDS
        alias = DEFAULT_DB_ALIAS
        connection = replica.connect(alias, milliseconds=_QUERY_MILLISECONDS)
    _kept.connection = opened = _Connection(connection, alias)
    return opened
