"""Look-up's floor: a bare WSGI callable with one prepared query on the same table, on the same server. No token, no quota, no checks.

Its queries go to libpq straight, as ours do: the driver's cursors take as long as PostgreSQL does for one address.

`/v1/certificates?email=` reads one answer, a POST of `{"emails": [...]}` as many as it names.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import orjson
import psycopg
import pybase64
from psycopg.adapt import Transformer
from psycopg.pq import Format

_ONE = """
SELECT a.json, c.der FROM directory_answer a JOIN directory_certificate c ON c.id = ANY(a.certificates) WHERE a.match = $1
"""
# The addresses as one text: an array of a thousand takes the driver several times as long.
_MANY = """
SELECT a.match, a.json, c.der FROM directory_answer a JOIN directory_certificate c ON c.id = ANY(a.certificates)
WHERE a.match = ANY(string_to_array($1, E'\\n'))
"""
_CUT = b'"der":"'
_local = threading.local()


def _rows(name: bytes, text: str) -> list[tuple[Any, ...]]:
    if not hasattr(_local, "connection"):
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        connection.pgconn.prepare(b"one", _ONE.encode())
        connection.pgconn.prepare(b"many", _MANY.encode())
        _local.connection, _local.loaders = connection, Transformer(connection)
    found = _local.connection.pgconn.exec_prepared(name, [text.encode()], None, Format.BINARY)
    _local.loaders.set_pgresult(found)
    rows: list[tuple[Any, ...]] = _local.loaders.load_rows(0, found.ntuples, tuple)
    return rows


def application(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        emails = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["emails"]
        found = {match: whole(json, der) for match, json, der in _rows(b"many", "\n".join(emails))}
        body = b'{"results":[' + b",".join(b'{"email":"%b",%b' % (email.encode(), found[email]) for email in emails) + b"]}"
    else:
        email = unquote(environ["QUERY_STRING"].removeprefix("email="))
        (row,) = _rows(b"one", email)
        body = b'{"email":"%b",%b' % (email.encode(), whole(*row))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def whole(json: bytes, der: bytes) -> bytes:
    """An answer with its one DER in its place."""
    before, after = json.split(_CUT)
    return b'%b"der":"%b%b' % (before, pybase64.b64encode(der), after)
