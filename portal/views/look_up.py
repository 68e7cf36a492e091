"""The look-up as a page: an address in, its certificates out, with the reason for every one that was not taken."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.models import Certificate, CertificateStatus
from directory.selection import select
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from portal.templatetags.face import key_name

MOST = 50
REASONS: dict[str, Promise] = {
    "selected": _("taken"),
    "expired": _("expired"),
    "not_yet_valid": _("not valid yet"),
    "revoked": _("revoked"),
    "superseded": _("superseded by a newer one"),
    "usage": _("signs only: cannot encrypt"),
    "lower_level": _("lower level"),
    "older": _("older"),
    "key": _("key too weak"),
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
    """GET with `email`; without it the box alone. A malformed address is explained and answered with 422, as on the API."""
    asked = request.GET.get("email", "").strip()
    now = timezone.now()
    context: dict[str, object] = {"asked": asked, "at": now, "portal_url": settings.LETTERLOCK_URL}
    if not asked:
        return render(request, "public/lookup.html", context)
    try:
        address = EmailAddress.parse(asked)
    except MalformedAddressError:
        context["fault"] = _("This is not an e-mail address that we can look up. It should look like name@example.com.")
        return render(request, "public/lookup.html", context, status=422)
    rows = list(
        Certificate.objects.filter(mailbox__match=address.match, mailbox__hidden_at=None, mailbox__erased_at=None)
        .exclude(status=CertificateStatus.ERASED)
        .order_by("-published_at")[:MOST]
    )
    selection = select(rows, usage="encrypt", at=now)
    reasons = {line.fingerprint: line for line in selection.receipt}
    shown = [shown_as(row, selected=row == selection.selected, accepted=reasons[row.fingerprint].accepted, reason=reasons[row.fingerprint].reason) for row in rows]
    context |= {
        "email": address.address,
        "certificates": sorted(shown, key=lambda row: {"ok": 0, "idle": 1}.get(row.tone, 2)),
        "selected": next((row for row in shown if row.tone == "ok"), None),
        "can_seal": _("Can be sealed to"),
        "cannot_seal": _("Cannot be sealed to yet"),
        "api_url": f"/api/v1/certificates?{urlencode({'email': address.address, 'receipt': 1})}",
    }
    return render(request, "public/lookup.html", context)


def shown_as(row: Certificate, *, selected: bool, accepted: bool, reason: str) -> Shown:
    """A certificate and what the selection said of it."""
    if selected:
        tone, icon, verdict = "ok", "check", _("Selected")
    elif accepted:
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
        reason=REASONS.get(reason, reason),
    )


def common_name(issuer: str) -> str:
    """The CN of a distinguished name as text (RFC 4514), or the whole where there is none."""
    for part in issuer.split(","):
        key, _equals, value = part.strip().partition("=")
        if key.upper() == "CN" and value:
            return value
    return issuer
