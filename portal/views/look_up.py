"""The look-up as a page: an address in, its certificates out, with the reason for every one that was not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.api import quotas
from directory.errors import OverQuotaError
from directory.explanations import explain
from directory.models import Certificate, CertificateStatus
from directory.selection import Reason, Usage, Verdict, select
from directory.x509.errors import AddressError
from directory.x509.names import EmailAddress
from portal.templatetags.face import key_name

MOST = 50
REASONS: Mapping[Reason, Promise] = {
    Reason.SELECTED: _("highest level, then newest"),
    Reason.LOWER_LEVEL: _("lower level"),
    Reason.OLDER: _("older"),
    Reason.TIE: _("just as good; the choice is by fingerprint"),
    Reason.NOT_YET_PUBLISHED: _("not published yet"),
    Reason.REVOKED: _("revoked"),
    Reason.SUPERSEDED: _("superseded by a newer one"),
    Reason.NOT_YET_VALID: _("not valid yet"),
    Reason.EXPIRED: _("expired"),
    Reason.USAGE: _("signs only: cannot encrypt"),
}


@dataclass(frozen=True)
class Shown:
    """One certificate as the page shows it."""

    fingerprint: str
    level: str
    identity: str | Promise
    issuer: str
    key: str
    source: str
    not_before: datetime
    not_after: datetime
    tone: str
    icon: str
    verdict: str | Promise
    reason: str | Promise


@require_safe
def look_up(request: HttpRequest) -> HttpResponse:
    """GET with `email`, and `usage` and `at` if wanted; without an address the box alone. 422 and 429 as on the API."""
    now = timezone.now()
    asked = {name: request.GET.get(name, "").strip() for name in ("email", "usage", "at")}
    context: dict[str, object] = {
        "asked": asked["email"],
        "usage": asked["usage"],
        "asked_at": asked["at"],
        "at": now,
        "portal_url": settings.LETTERLOCK_URL,
    }
    if not asked["email"]:
        return render(request, "public/lookup.html", context)
    try:
        question = _read(asked, now=now)
    except _FaultError as fault:
        context |= {"fault": fault.words, "fault_at": fault.field}
        return render(request, "public/lookup.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        quotas.take(token=None, meta=request.META, cost=1, at=now)
    except OverQuotaError as error:
        context |= {"fault": explain(error), "fault_at": "email"}
        response = render(request, "public/lookup.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(error.retry_after)
        return response
    return render(request, "public/lookup.html", context | _answer(question))


@dataclass(frozen=True)
class _Question:
    address: EmailAddress
    usage: Usage
    at: datetime


class _FaultError(Exception):
    """What was typed cannot be read: the field that it is in, and what to do about it."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(field)
        self.field, self.words = field, words


def _read(asked: Mapping[str, str], *, now: datetime) -> _Question:
    """The question as typed; `at` is of the clock in UTC, as forms write it. Raises _FaultError."""
    try:
        address = EmailAddress.parse(asked["email"])
    except AddressError:
        raise _FaultError("email", gettext("This is not an e-mail address that we can look up. It should look like name@example.com.")) from None
    if asked["usage"] not in {"", *Usage}:
        raise _FaultError("usage", gettext("Choose one of the two."))
    return _Question(address, Usage(asked["usage"] or Usage.ENCRYPT), _moment(asked["at"], now=now))


def _moment(text: str, *, now: datetime) -> datetime:
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment > now:
        raise _FaultError("at", gettext("This is not a moment of the past. It should look like 2026-11-25T09:00."))
    return moment


def _answer(question: _Question) -> dict[str, object]:
    address, usage = question.address, question.usage
    rows = list(
        Certificate.objects.filter(mailbox__match=address.match, mailbox__hidden_at=None, mailbox__erased_at=None)
        .exclude(status=CertificateStatus.ERASED)
        .order_by("-published_at")[:MOST]
    )
    selection = select(rows, usage=usage, at=question.at)
    known = {row.fingerprint: row for row in rows}
    shown = [shown_as(known[line.fingerprint], line, usage=usage) for line in selection.receipt]
    query = {"email": address.address, "receipt": 1} | ({"usage": usage.value} if usage is not Usage.ENCRYPT else {})
    return {
        "email": address.address,
        "at": question.at,
        "for_signing": usage is Usage.SIGN,
        "certificates": shown,
        "selected": shown[0] if selection.selected else None,
        "can": _("Signatures can be checked") if usage is Usage.SIGN else _("Can be sealed to"),
        "cannot": _("Signatures cannot be checked yet") if usage is Usage.SIGN else _("Cannot be sealed to yet"),
        "api_url": f"/api/v1/certificates?{urlencode(query)}",
    }


def shown_as(row: Certificate, line: Verdict, *, usage: Usage = Usage.ENCRYPT) -> Shown:
    """A certificate and what the selection said of it."""
    if line.reason is Reason.SELECTED:
        tone, icon, verdict = "ok", "check", _("Selected")
    elif line.accepted:
        tone, icon, verdict = "idle", "dash", _("Usable")
    else:
        tone, icon, verdict = "bad", "x", _("No")
    return Shown(
        fingerprint=row.fingerprint,
        level=row.level,
        identity=row.organization_name or row.name or _("this address alone"),
        issuer=common_name(row.issuer),
        key=key_name(row),
        source=row.get_source_display(),
        not_before=row.not_before,
        not_after=row.not_after,
        tone=tone,
        icon=icon,
        verdict=verdict,
        reason=_("encrypts only: cannot sign") if line.reason is Reason.USAGE and usage is Usage.SIGN else REASONS[line.reason],
    )


def common_name(issuer: str) -> str:
    """The CN of a distinguished name as text (RFC 4514), or the whole where there is none."""
    for part in issuer.split(","):
        key, _equals, value = part.strip().partition("=")
        if key.upper() == "CN" and value:
            return value
    return issuer
