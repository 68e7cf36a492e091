"""`GET /api/v1/certificates` and `POST /api/v1/lookups`: exact addresses only, the same for "none" and "hidden"."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import orjson
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from directory import answers
from directory.answers import Ready
from directory.api import quotas
from directory.api.authentication import actor_of
from directory.api.parsing import JSONBody, parse_moment
from directory.api.permissions import check_scope
from directory.api.problems import Problem, unprocessable
from directory.api.shapes import documented_certificates, documented_lookups
from directory.inviting import ask_for_invitations
from directory.lookup import look_up, read_answer, read_answers
from directory.models import ApiToken
from directory.selection import Usage
from directory.tokens import Scope
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress

MOST_ADDRESSES = 1000
MOST_ECHOED = 320
# How long a shared cache may repeat an answer: what a revocation may lag behind.
CACHE_SECONDS = 60
FIELDS = frozenset({"status", "certificates"})


class CertificateBytes(BaseRenderer):
    """RFC 2585: one certificate as DER. Takes part in choosing the media type; the view writes the bytes itself."""

    media_type = "application/pkix-cert"
    format = "crt"
    charset = None
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:  # noqa: ARG002
        return cast("bytes", data)


class CertificatesView(APIView):
    """The certificates of one address. 200 for every well-formed address, whether there are any or not."""

    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer, CertificateBytes]

    @documented_certificates
    def get(self, request: Request) -> HttpResponse:
        now = timezone.now()
        token = _check_caller(request)
        address = _parse_address(request.query_params.get("email"))
        usage = _parse_usage(request.query_params.get("usage"))
        at = _parse_moment(request.query_params.get("at"), now=now)
        with_receipt = request.query_params.get("receipt", "") in {"1", "true"}
        quotas.take(token=token, meta=request.META, cost=1, at=now)
        if getattr(request.accepted_renderer, "media_type", "") == CertificateBytes.media_type:
            return _der(request, address, usage=usage, at=at or now, now=now)
        if usage is Usage.ENCRYPT and at is None and not with_receipt:
            answer = read_answer(address, at=now)
        else:
            found = look_up([address], usage=usage, at=at or now)[0]
            answer = answers.render(found.selection, changes_at=found.changes_at if at is None else answers.NEVER, receipt=with_receipt)
        return _cacheable(request, object_of(address, answer), "application/json", answer.etag, answer.changes_at, now=now)


class LookupsView(APIView):
    """The certificates of up to 1000 addresses, in their order."""

    permission_classes = [AllowAny]
    parser_classes = [JSONBody]

    @documented_lookups
    def post(self, request: Request) -> HttpResponse:
        now = timezone.now()
        token = _check_caller(request)
        texts, fields, invite = _parse_body(request.data)
        inviting = _check_inviter(token) if invite else None
        parsed = [_try_address(text) for text in texts]
        addresses = [address for address in parsed if address is not None]
        quotas.take(token=token, meta=request.META, cost=len(texts), at=now)
        ready = read_answers(addresses, at=now, status_only="certificates" not in fields) if addresses else []
        if inviting is not None:
            misses = [address for address, answer in zip(addresses, ready, strict=True) if not answer.found]
            ask_for_invitations(misses, organization=inviting.organization, actor=actor_of(inviting), at=now)
        left = iter(ready)
        results = [
            _malformed(text) if address is None else _result(address, next(left), fields=fields, invite=invite)
            for text, address in zip(texts, parsed, strict=True)
        ]
        body = b'{"results":[' + b",".join(results) + b"]}"
        return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def object_of(address: EmailAddress, answer: Ready) -> bytes:
    """The JSON object of one answer. An address that was parsed holds nothing that JSON escapes."""
    return b'{"email":"%b",%b' % (address.address.encode(), answer.tail)


def _result(address: EmailAddress, answer: Ready, *, fields: frozenset[str], invite: bool) -> bytes:
    invitation = b'"invitation":"considered",' if invite and not answer.found else b""
    status = b'"status":"found"' if answer.found else b'"status":"none"'
    if "certificates" not in fields:
        tail = status + b"}"
    elif "status" in fields:
        tail = answer.tail
    else:
        tail = answer.tail.removeprefix(status + b",")
    return b'{"email":"%b",%b%b' % (address.address.encode(), invitation, tail)


def _malformed(text: str) -> bytes:
    return orjson.dumps({"email": text[:MOST_ECHOED], "status": "malformed"})


def _check_caller(request: Request) -> ApiToken | None:
    if not isinstance(request.auth, ApiToken):
        return None
    check_scope(request.auth, Scope.LOOKUP)
    return request.auth


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


def _parse_body(data: object) -> tuple[list[str], frozenset[str], bool]:
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
    return emails, frozenset(fields), invite


def _der(request: Request, address: EmailAddress, *, usage: Usage, at: datetime, now: datetime) -> HttpResponse:
    found = look_up([address], usage=usage, at=at)[0]
    if found.selected is None:
        raise Problem(404, _("Not found"), _("There is no certificate for this address."), kind="no-certificate")
    return _cacheable(request, bytes(found.selected.der), CertificateBytes.media_type, found.selected.fingerprint, found.changes_at, now=now)


def _cacheable(request: Request, body: bytes, media_type: str, etag: str, changes_at: datetime, *, now: datetime) -> HttpResponse:
    seconds = max(0, min(CACHE_SECONDS, int((changes_at - now).total_seconds())))
    headers = {"ETag": f'"{etag}"', "Cache-Control": f"public, max-age={seconds}"}
    if _matches(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
        response = HttpResponse(status=304, headers=headers)
        del response["Content-Type"]
        return response
    return HttpResponse(body, content_type=media_type, headers=headers)


def _matches(header: str, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison, and `*` for whatever there is."""
    tags: Sequence[str] = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or f'"{etag}"' in tags
