"""Look-up's floor: a bare WSGI callable with one prepared query on the same table, on the same server. No token, no quota, no checks.

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

_ONE = """
SELECT a.json, c.der FROM directory_answer a JOIN directory_certificate c ON c.id = ANY(a.certificates) WHERE a.match = %s
"""
# The addresses as one text: an array of a thousand takes the driver several times as long.
_MANY = """
SELECT a.match, a.json, c.der FROM directory_answer a JOIN directory_certificate c ON c.id = ANY(a.certificates)
WHERE a.match = ANY(string_to_array(%s, E'\\n'))
"""
_CUT = b'"der":"'
_local = threading.local()


def _cursor() -> "psycopg.Cursor[Any]":
    if not hasattr(_local, "cursor"):
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        _local.cursor = connection.cursor(binary=True)
    cursor: psycopg.Cursor[Any] = _local.cursor
    return cursor


def application(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    cursor = _cursor()
    if environ["REQUEST_METHOD"] == "POST":
        emails = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["emails"]
        rows = cursor.execute(_MANY, ["\n".join(emails)], prepare=True).fetchall()
        found = {match: whole(json, der) for match, json, der in rows}
        body = b'{"results":[' + b",".join(b'{"email":"%b",%b' % (email.encode(), found[email]) for email in emails) + b"]}"
    else:
        email = unquote(environ["QUERY_STRING"].removeprefix("email="))
        row = cursor.execute(_ONE, [email], prepare=True).fetchone()
        if row is None:
            raise LookupError(email)
        body = b'{"email":"%b",%b' % (email.encode(), whole(*row))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def whole(json: bytes, der: bytes) -> bytes:
    """An answer with its one DER in its place."""
    before, after = json.split(_CUT)
    return b'%b"der":"%b%b' % (before, pybase64.b64encode(der), after)
