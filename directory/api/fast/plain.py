"""Plain look-ups: one address by GET or HEAD, or up to a thousand by POST; None for whatever else is asked, and Django answers that.

Steps of both, in the order of the views:
1. The media type that is accepted is JSON.
2. The token is one that this process has read a moment ago, and may look up; or there is none.
3. What is asked for is well-formed, and asked for now.
4. The caller has look-ups left.
5. One query has the answer, and that is not past its change.
"""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson
from rest_framework.exceptions import APIException

from directory import answers, counts
from directory.answers import FOUND
from directory.api import quotas
from directory.api.fast.reading import fetch
from directory.api.lookups import MOST_OCTETS, QUOTA_TAKEN, Sent, batch, cacheable, malformed_of, object_of, parse_body, result_of
from directory.api.negotiation import DER, JSON, accepted, check_json
from directory.api.problems import Problem
from directory.errors import OverQuotaError
from directory.models import ApiToken
from directory.tokens import Scope, recall_token
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress, all_plain, is_plain

_BEARER = "Bearer "
_MOST_PARAMETERS = 8
_JSON_ALONE, _JSON_OR_DER = (JSON,), (JSON, DER)


class NotPlainError(Exception):
    """Something that the views have to look at."""


def one(environ: dict[str, Any]) -> Sent:
    """The answer to `GET /api/v1/certificates`. Raises NotPlainError."""
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"} or "HTTP_TRANSFER_ENCODING" in environ:
        raise NotPlainError
    now = datetime.now(UTC)
    _check_accept(environ, _JSON_OR_DER)
    token = _caller(environ, at=now)
    query: str = environ["QUERY_STRING"]
    address = match = query[6:]
    if not query.startswith("email=") or not is_plain(address) or "+" in address:
        parsed = _try_address(_email(query))
        if parsed is None:
            raise NotPlainError
        address, match = parsed.address, parsed.match
    _take(environ, token, 1, at=now)
    answer = answers.read_one(match, fetch=fetch)
    if answer.changes_at <= now:
        raise NotPlainError
    counts.note(token, lookups=1, found=answer.found, at=now)
    return cacheable(object_of(address, answer.tail), JSON, answer.etag, answer.changes_at, match=environ.get("HTTP_IF_NONE_MATCH"), now=now)


def many(environ: dict[str, Any]) -> Sent:
    """The answer to `POST /api/v1/lookups`. Raises NotPlainError, with the body ready to be read again."""
    if environ["REQUEST_METHOD"] != "POST" or "HTTP_TRANSFER_ENCODING" in environ:
        raise NotPlainError
    now = datetime.now(UTC)
    _check_accept(environ, _JSON_ALONE)
    token = _caller(environ, at=now)
    texts, fields = _asked(environ)
    # Before anything is parsed: names beyond ASCII are work.
    _take(environ, token, len(texts), at=now)
    if all_plain(texts):
        addresses = matches = texts
    else:
        parsed = [_try_address(text) for text in texts]
        known = [address for address in parsed if address is not None]
        addresses, matches = [address.address for address in known], [address.match for address in known]
    ready = answers.read_many(matches, at=now, status_only="certificates" not in fields, fetch=fetch) if matches else {}
    none = answers.NONE.octets(status_only="certificates" not in fields)
    octets = [ready.get(match, none) for match in matches]
    if None in octets:
        raise NotPlainError
    found = cast("list[bytes]", octets)
    counts.note(token, lookups=len(texts), found=sum([each.startswith(FOUND) for each in found]), at=now)
    if len(addresses) < len(texts):
        left = iter(zip(addresses, found, strict=True))
        told = zip(texts, parsed, strict=True)
        return batch((b",".join([malformed_of(text) if address is None else result_of(*next(left), fields=fields) for text, address in told]),))
    if "status" not in fields:
        return batch((b",".join([result_of(address, each, fields=fields) for address, each in zip(addresses, found, strict=True)]),))
    # As `result_of` writes each, with one join of all their pieces.
    named = "\n".join(addresses).encode().split(b"\n")
    openings = chain((b'{"email":"',), repeat(b',{"email":"'))
    return batch(chain.from_iterable(zip(openings, named, repeat(b'",'), found, strict=False)))


def _check_accept(environ: Mapping[str, Any], offered: tuple[str, ...]) -> None:
    header = environ.get("HTTP_ACCEPT")
    if header is not None and header != "*/*":
        try:
            if accepted(header, offered) != JSON:
                raise NotPlainError
        except APIException as error:
            raise NotPlainError from error


def _caller(environ: Mapping[str, Any], *, at: datetime) -> ApiToken | None:
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    token = recall_token(header[len(_BEARER) :], at=at) if header.startswith(_BEARER) else None
    if token is None or Scope.LOOKUP not in token.scopes:
        raise NotPlainError
    return token


def _email(query: str) -> str:
    """The address out of a query that asks for nothing but what is held now, to encrypt to."""
    if not query.isascii() or query.count("&") >= _MOST_PARAMETERS:
        raise NotPlainError
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if asked.get("usage", "encrypt") != "encrypt" or asked.get("receipt", "0") in {"1", "true"} or "at" in asked or "email" not in asked:
        raise NotPlainError
    return asked["email"]


def _asked(environ: dict[str, Any]) -> tuple[list[str], frozenset[str]]:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdigit() or not 0 < int(length) <= MOST_OCTETS:
        raise NotPlainError
    body = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        if environ.get("CONTENT_TYPE") != JSON:
            check_json(environ.get("CONTENT_TYPE"))
        texts, fields, invite = parse_body(orjson.loads(body))
    except (orjson.JSONDecodeError, APIException, Problem) as error:
        raise NotPlainError from error
    if invite:
        raise NotPlainError
    return texts, fields


def _try_address(text: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(text)
    except MalformedAddressError:
        return None


def _take(environ: dict[str, Any], token: ApiToken | None, cost: int, *, at: datetime) -> None:
    try:
        quotas.take(token=token, meta=environ, cost=cost, at=at)
    except OverQuotaError as error:
        raise NotPlainError from error
    # Whatever Django is asked after this was counted already.
    environ[QUOTA_TAKEN] = True
