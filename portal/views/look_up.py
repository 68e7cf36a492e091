"""The look-up as a page: an address in, its certificates out, with the reason for every one that was not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.api import quotas
from directory.errors import OverQuotaError
from directory.explanations import explain
from directory.models import Certificate, CertificateStatus
from directory.selection import Reason, Usage, Verdict, select
from directory.x509.errors import MalformedAddressError
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
    """GET with `email`; without it the box alone. A malformed address is answered with 422 and too many with 429, as on the API."""
    asked = request.GET.get("email", "").strip()
    now = timezone.now()
    context: dict[str, object] = {"asked": asked, "at": now, "portal_url": settings.LETTERLOCK_URL}
    if not asked:
        return render(request, "public/lookup.html", context)
    try:
        address = EmailAddress.parse(asked)
    except MalformedAddressError:
        context["fault"] = _("This is not an e-mail address that we can look up. It should look like name@example.com.")
        return render(request, "public/lookup.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        quotas.take(token=None, meta=request.META, cost=1, at=now)
    except OverQuotaError as error:
        context["fault"] = explain(error)
        response = render(request, "public/lookup.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(error.retry_after)
        return response
    rows = list(
        Certificate.objects.filter(mailbox__match=address.match, mailbox__hidden_at=None, mailbox__erased_at=None)
        .exclude(status=CertificateStatus.ERASED)
        .order_by("-published_at")[:MOST]
    )
    selection = select(rows, usage=Usage.ENCRYPT, at=now)
    known = {row.fingerprint: row for row in rows}
    shown = [shown_as(known[line.fingerprint], line) for line in selection.receipt]
    context |= {
        "email": address.address,
        "certificates": shown,
        "selected": shown[0] if selection.selected else None,
        "can_seal": _("Can be sealed to"),
        "cannot_seal": _("Cannot be sealed to yet"),
        "api_url": f"/api/v1/certificates?{urlencode({'email': address.address, 'receipt': 1})}",
    }
    return render(request, "public/lookup.html", context)


def shown_as(row: Certificate, line: Verdict) -> Shown:
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
        reason=REASONS[line.reason],
    )


def common_name(issuer: str) -> str:
    """The CN of a distinguished name as text (RFC 4514), or the whole where there is none."""
    for part in issuer.split(","):
        key, _equals, value = part.strip().partition("=")
        if key.upper() == "CN" and value:
            return value
    return issuer
