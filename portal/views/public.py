"""Pages for everybody: home, the guide for developers, privacy, accessibility."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_safe

from directory.models import Certificate, CertificateStatus, Organization, OrganizationStatus
from mailer.models import Message, MessageStatus
from portal.views.tokens import SCOPES

HANDED_OVER = (MessageStatus.HANDED, MessageStatus.DELIVERED, MessageStatus.BOUNCED)
YEAR = 365 * 24 * 3600
FIGURES_HOLD = timedelta(minutes=1)


@dataclass(frozen=True)
class Figures:
    """What the first page counts."""

    certificates: int
    addresses: int
    organizations: int
    letters: int


def count_figures() -> Figures:
    """Count now: certificates that can be looked up and their addresses, organisations in good standing, letters handed over."""
    published = Certificate.objects.filter(status=CertificateStatus.PUBLISHED, mailbox__hidden_at=None, mailbox__erased_at=None)
    counted = published.aggregate(certificates=Count("id"), addresses=Count("mailbox", distinct=True))
    return Figures(
        certificates=counted["certificates"],
        addresses=counted["addresses"],
        organizations=Organization.objects.filter(status=OrganizationStatus.ACTIVE).count(),
        letters=Message.objects.filter(status__in=HANDED_OVER).count(),
    )


# Counting reads whole tables, and the first page is everybody's: each process counts once a minute.
_counted: dict[str, tuple[Figures, datetime]] = {}


def recent_figures(*, at: datetime) -> Figures:
    """The figures, at most a minute old."""
    figures, until = _counted.get("figures", (None, at))
    if figures is None or until <= at:
        figures = count_figures()
        _counted["figures"] = (figures, at + FIGURES_HOLD)
    return figures


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this is, in one screen, with real figures."""
    return render(request, "public/home.html", {"figures": recent_figures(at=timezone.now()), "portal_url": settings.LETTERLOCK_URL})


@require_safe
def developers(request: HttpRequest) -> HttpResponse:
    """The API, told in the order in which one needs it."""
    return render(request, "public/developers.html", {"portal_url": settings.LETTERLOCK_URL, "scopes": SCOPES})


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept of whom, and for how long."""
    return render(request, "public/privacy.html")


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    """What these pages do so that everybody can use them."""
    return render(request, "public/accessibility.html")


@require_safe
def language(request: HttpRequest, code: str) -> HttpResponse:
    """Remember the language a person chose and go back to the page they came from, if it is one of ours."""
    to = request.GET.get("next", "/")
    if not url_has_allowed_host_and_scheme(to, allowed_hosts=None):
        to = "/"
    response = redirect(to)
    if code in dict(settings.LANGUAGES) and check_for_language(code):
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=YEAR, samesite="Lax", httponly=True, secure=settings.SESSION_COOKIE_SECURE)
    return response


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Robots may read the public pages; look-ups, the API and what needs an account are not for them."""
    closed = ("/lookup", "/certificates/", "/mailbox/", "/language/", "/api/v1/", "/accounts/", "/apply/", "/organizations/", "/review/", "/admin/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed), ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@require_safe
def favicon(_request: HttpRequest) -> HttpResponse:
    """Browsers ask for /favicon.ico whatever the page says."""
    return redirect(static("img/favicon.svg"))


@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """200 when this process can ask its database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    response = JsonResponse({"status": "ok"})
    response["Cache-Control"] = "no-store"
    return response
