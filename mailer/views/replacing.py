"""The page behind the link that the old holder is mailed: GET shows what would replace their certificate, POST stops it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from directory.x509.certificate import parse_certificate
from mailer.replacing import EndedReplacementError, ReplacementError, find_stop, follows_erasure, replaced_by, stop


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def replacement(request: HttpRequest, secret: str) -> HttpResponse:
    """404 for a link nobody was sent, 410 where there is nothing to stop any more."""
    try:
        if request.method == "POST":
            stopped = stop(secret, timezone.now())
            return render(request, "mailer/replacement_stopped.html", {"replacement": stopped, "follows_erasure": follows_erasure(stopped)})
        found = find_stop(secret)
    except ReplacementError as error:
        return _closed(request, error)
    parsed = parse_certificate(bytes(found.der))
    context = {
        "replacement": found,
        "parsed": parsed,
        "replaced": replaced_by(found, parsed, at=timezone.now()),
        "follows_erasure": follows_erasure(found),
    }
    return render(request, "mailer/replacement.html", context)


def _closed(request: HttpRequest, error: ReplacementError) -> HttpResponse:
    if isinstance(error, EndedReplacementError):
        heading, status = _("There is nothing to stop any more"), 410
        advice = _("The new certificate was published or stopped already. Look your address up to see which it is.")
    else:
        heading, status = _("We do not know this link"), 404
        advice = _("Perhaps the mail program broke it in two. Copy all of it from the mail into the address line.")
    return render(request, "mailer/link_closed.html", {"heading": heading, "advice": advice}, status=status)
