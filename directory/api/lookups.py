"""`GET /api/v1/certificates` and `POST /api/v1/lookups`: exact addresses only, the same for "none" and "hidden".

These views answer everything that may be asked, and refuse what may not. Most requests are plain: `directory.api.fast` answers them before
Django is asked, out of the same parts.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from itertools import chain
from typing import IO, NamedTuple, cast

import orjson
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated, ParseError

from directory import answers, counts
from directory.answers import FOUND, MISSED
from directory.api import quotas
from directory.api.authentication import actor_of, bearer
from directory.api.negotiation import DER, JSON, accepted, check_json
from directory.api.parsing import JSONBody, parse_moment
from directory.api.permissions import check_scope
from directory.api.problems import Problem, handle_exception, unprocessable
from directory.inviting import ask_for_invitations
from directory.lookup import look_up, read_answer, read_answers
from directory.models import ApiToken
from directory.selection import Usage
from directory.tokens import Scope
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress

MOST_ADDRESSES = 1000
MOST_ECHOED = 320
MOST_OCTETS = JSONBody.most_octets
# How long a shared cache may repeat an answer: what a revocation may lag behind.
CACHE_SECONDS = 60
_LONGEST, _KEPT_LONGEST = timedelta(seconds=CACHE_SECONDS), f"public, max-age={CACHE_SECONDS}"
FIELDS = frozenset({"status", "certificates"})
# Set in the environment of a request whose look-ups were counted before Django was asked.
QUOTA_TAKEN = "letterlock.quota_taken"


class Sent(NamedTuple):
    """An answer as HTTP has it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


View = Callable[[HttpRequest], HttpResponse]


def _endpoint(methods: Sequence[str], media_types: tuple[str, ...]) -> Callable[[Callable[[HttpRequest, str, ApiToken | None], Sent]], View]:
    """A view that chooses the media type, knows the caller, and answers every error with a problem document."""
    allow = ", ".join((*methods, "OPTIONS"))

    def decorate(answer: Callable[[HttpRequest, str, ApiToken | None], Sent]) -> View:
        @csrf_exempt
        @wraps(answer)
        def view(request: HttpRequest) -> HttpResponse:
            try:
                media_type = accepted(request.META.get("HTTP_ACCEPT"), media_types)
                token = bearer(request.META.get("HTTP_AUTHORIZATION"), at=timezone.now())
                if request.method == "OPTIONS":
                    sent = Sent(204, (("Allow", allow),), b"")
                elif request.method not in methods:
                    raise MethodNotAllowed(str(request.method))  # noqa: TRY301 - one place that makes a problem of each error
                else:
                    if token is not None:
                        check_scope(token, Scope.LOOKUP)
                    sent = answer(request, media_type, token)
                # RFC 9110 section 9.3.2: HEAD has the length of what GET would send.
                length = {"Content-Length": str(len(sent.body))} if request.method == "HEAD" else {}
                body = b"" if request.method == "HEAD" else sent.body
                response = HttpResponse(body, status=sent.status, headers={**dict(sent.headers), **length})
                if "Content-Type" not in dict(sent.headers):
                    del response["Content-Type"]
            except Exception as error:  # noqa: BLE001 - every error of the API is a problem document; what nobody foresaw is logged there
                response = handle_exception(error, {"request": request})
                if response.status_code == MethodNotAllowed.status_code:
                    response["Allow"] = allow
            if len(media_types) > 1:
                patch_vary_headers(response, ["Accept"])
            return response

        view.takes_whole_bodies = True  # type: ignore[attr-defined]  # see directory.api.parsing.LengthRequired
        return view

    return decorate


@_endpoint(("GET", "HEAD"), (JSON, DER))
def certificates(request: HttpRequest, media_type: str, token: ApiToken | None) -> Sent:
    """The certificates of one address. 200 for every well-formed address, whether there are any or not."""
    now = timezone.now()
    query = request.GET
    address = _parse_address(query.get("email"))
    usage = _parse_usage(query.get("usage"))
    at = _parse_moment(query.get("at"), now=now)
    with_receipt = query.get("receipt", "") in {"1", "true"}
    _take(request, token, 1, at=now)
    match = request.META.get("HTTP_IF_NONE_MATCH")
    if media_type == DER:
        return _der(address, usage=usage, at=at or now, now=now, token=token, match=match)
    if usage is Usage.ENCRYPT and at is None and not with_receipt:
        answer = read_answer(address, at=now)
    else:
        found = look_up([address], usage=usage, at=at or now)[0]
        answer = answers.render(found.selection, changes_at=found.changes_at if at is None else answers.NEVER, receipt=with_receipt)
    counts.note(token, lookups=1, found=answer.found, at=now)
    return cacheable(object_of(address.address, answer.tail), JSON, answer.etag, answer.changes_at, match=match, now=now)


@_endpoint(("POST",), (JSON,))
def lookups(request: HttpRequest, media_type: str, token: ApiToken | None) -> Sent:  # noqa: ARG001 - there is one
    """The certificates of up to 1000 addresses, in their order."""
    now = timezone.now()
    texts, fields, invite = parse_body(_body(request))
    inviting = _check_inviter(token) if invite else None
    # Before anything is parsed: names beyond ASCII are work.
    _take(request, token, len(texts), at=now)
    parsed = [_try_address(text) for text in texts]
    addresses = [address for address in parsed if address is not None]
    ready = read_answers(addresses, at=now, status_only="certificates" not in fields) if addresses else []
    if inviting is not None:
        misses = [address for address, octets in zip(addresses, ready, strict=True) if not octets.startswith(FOUND)]
        ask_for_invitations(misses, organization=inviting.organization, actor=actor_of(inviting), at=now)
    left = iter(ready)
    results = [
        malformed_of(text) if address is None else result_of(address.address, next(left), fields=fields, invite=invite)
        for text, address in zip(texts, parsed, strict=True)
    ]
    counts.note(token, lookups=len(texts), found=sum(octets.startswith(FOUND) for octets in ready), at=now)
    return batch((b",".join(results),))


def object_of(address: str, octets: bytes) -> bytes:
    """The JSON object of one answer. An address that was parsed holds nothing that JSON escapes."""
    return b'{"email":"%b",%b' % (address.encode(), octets)


def result_of(address: str, octets: bytes, *, fields: frozenset[str], invite: bool = False) -> bytes:
    """One result of a batch, with the fields that were asked for; `octets` say no more than the status where that alone is."""
    found = octets.startswith(FOUND)
    invitation = b'"invitation":"considered",' if invite and not found else b""
    if "status" not in fields:
        octets = octets.removeprefix((FOUND if found else MISSED) + b",")
    return b'{"email":"%b",%b%b' % (address.encode(), invitation, octets)


def batch(pieces: Iterable[bytes]) -> Sent:
    """The answer that is made of these pieces of results, which commas part."""
    return Sent(200, (("Content-Type", JSON), ("Cache-Control", "no-store")), b"".join(chain((b'{"results":[',), pieces, (b"]}",))))


def cacheable(body: bytes, media_type: str, etag: str, changes_at: datetime, *, match: str | None, now: datetime) -> Sent:
    """An answer that may be kept until it changes, or 304 where `match`, the If-None-Match, says that the caller has it."""
    left = changes_at - now
    control = _KEPT_LONGEST if left >= _LONGEST else f"public, max-age={max(0, int(left.total_seconds()))}"
    kept = (("ETag", f'"{etag}"'), ("Cache-Control", control))
    if match is not None and _matches(match, etag):
        return Sent(304, kept, b"")
    return Sent(200, (("Content-Type", media_type), *kept), body)


def parse_body(data: object) -> tuple[list[str], frozenset[str], bool]:
    """The addresses, the fields and whether to invite, out of the JSON of a batch. Raises Problem 422."""
    if not isinstance(data, dict):
        raise unprocessable("", _("The body is a JSON object."))
    emails, fields, invite = data.get("emails"), data.get("fields", sorted(FIELDS)), data.get("invite", False)
    if not isinstance(emails, list) or not 1 <= len(emails) <= MOST_ADDRESSES:
        raise unprocessable("/emails", _("A list of 1 to 1000 addresses."))
    wrong = [(f"/emails/{place}", _("An address is a string.")) for place, email in enumerate(emails) if not isinstance(email, str)]
    if wrong:
        raise Problem(422, _("A value cannot be accepted"), _("See the errors."), wrong[:100], kind="invalid")
    if not isinstance(fields, list) or not fields or not all(isinstance(field, str) and field in FIELDS for field in fields):
        raise unprocessable("/fields", _("A list of “status” and “certificates”."))
    if not isinstance(invite, bool):
        raise unprocessable("/invite", _("True or false."))
    # The very set, where all are asked for, so that this is seen at a glance.
    return emails, FIELDS if len(fields) == len(FIELDS) and set(fields) == FIELDS else frozenset(fields), invite


def _take(request: HttpRequest, token: ApiToken | None, cost: int, *, at: datetime) -> None:
    if QUOTA_TAKEN not in request.META:
        quotas.take(token=token, meta=request.META, cost=cost, at=at)


def _body(request: HttpRequest) -> object:
    """The JSON that was sent; an empty body is an empty object. Raises Problem 413, UnsupportedMediaType or ParseError."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length == 0:
        return {}
    check_json(request.META.get("CONTENT_TYPE"))
    try:
        return JSONBody().parse(cast("IO[bytes]", request))  # which reads as a stream does
    except UnreadablePostError as error:
        raise ParseError(_("The body ended early.")) from error


def _der(address: EmailAddress, *, usage: Usage, at: datetime, now: datetime, token: ApiToken | None, match: str | None) -> Sent:
    found = look_up([address], usage=usage, at=at)[0]
    counts.note(token, lookups=1, found=found.selected is not None, at=now)
    if found.selected is None:
        raise Problem(404, _("Not found"), _("There is no certificate for this address."), kind="no-certificate")
    return cacheable(bytes(found.selected.der), DER, found.selected.fingerprint, found.changes_at, match=match, now=now)


def _matches(header: str, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison, and `*` for whatever there is."""
    tags: Sequence[str] = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or f'"{etag}"' in tags


def malformed_of(text: str) -> bytes:
    """One result of a batch: of a text that is no address."""
    return orjson.dumps({"email": text[:MOST_ECHOED], "status": "malformed"})


def _check_inviter(token: ApiToken | None) -> ApiToken:
    if token is None:
        raise NotAuthenticated(_("Send a token in the Authorization header."))
    check_scope(token, Scope.INVITE)
    return token


def _parse_address(text: str | None) -> EmailAddress:
    if text is None:
        raise unprocessable("/email", _("The address is missing: ?email=name@example.com"))
    return EmailAddress.parse(text)


def _try_address(text: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(text)
    except MalformedAddressError:
        return None


def _parse_usage(text: str | None) -> Usage:
    try:
        return Usage.ENCRYPT if text is None else Usage(text)
    except ValueError as error:
        raise unprocessable("/usage", _("The usage is “encrypt” or “sign”.")) from error


def _parse_moment(text: str | None, *, now: datetime) -> datetime | None:
    if text is None:
        return None
    moment = parse_moment(text, "/at")
    if moment > now:
        raise unprocessable("/at", _("The time is in the future."))
    return moment
