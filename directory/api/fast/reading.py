"""Connections of the fast path's own: one a thread, kept open, with its queries prepared; to the replica where there is one that keeps up."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from django.db import DEFAULT_DB_ALIAS

from directory import replica

# How long a thread asks the primary before it tries a replica again that it could not reach.
AWAY_SECONDS = 10
_QUERY_MILLISECONDS = 10_000
_log = logging.getLogger(__name__)


class _Kept(threading.local):
    cursor: "psycopg.Cursor[Any] | None" = None
    alias = ""
    away_until = 0.0


_kept = _Kept()


def fetch(query: LiteralString, parameters: Sequence[object], /) -> list[tuple[Any, ...]]:
    """Run one prepared query outside of any transaction; its rows, read in binary. A connection that was dropped is opened anew, once."""
    wanted = _wanted()
    cursor = _kept.cursor
    if cursor is not None and _kept.alias == wanted:
        try:
            return cursor.execute(query, parameters, prepare=True).fetchall()
        except psycopg.Error as error:
            _log.info("A connection of look-ups is opened anew (%s).", type(error).__name__)
    return _open(wanted).execute(query, parameters, prepare=True).fetchall()


def close() -> None:
    """Close this thread's connection; the next one is tried where it should be."""
    cursor, _kept.cursor = _kept.cursor, None
    _kept.away_until = 0.0
    if cursor is not None:
        cursor.connection.close()


def _wanted() -> str:
    alias = replica.alias()
    return DEFAULT_DB_ALIAS if alias == replica.REPLICA and time.monotonic() < _kept.away_until else alias


def _open(alias: str) -> "psycopg.Cursor[Any]":
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
    _kept.cursor, _kept.alias = connection.cursor(binary=True), alias
    return _kept.cursor
