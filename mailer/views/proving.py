"""The page behind a proof mail's link: GET shows what will be published and changes nothing, POST publishes."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from directory.errors import DirectoryError
from directory.explanations import explain
from directory.x509.certificate import parse_certificate
from directory.x509.errors import X509Error
from mailer.proving import ExpiredProofError, ProvingError, RefusedProofError, UsedProofError, confirm, find_proof


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def publication(request: HttpRequest, secret: str) -> HttpResponse:
    """404 for a link nobody was sent, 410 for one that is over."""
    try:
        if request.method == "POST":
            published = confirm(secret, at=timezone.now())
            return render(request, "mailer/publication_done.html", {"publication": published})
        found = find_proof(secret, at=timezone.now())
    except ProvingError as error:
        return _closed(request, error)
    return render(request, "mailer/publication.html", {"publication": found, "parsed": parse_certificate(bytes(found.der))})


def _closed(request: HttpRequest, error: ProvingError) -> HttpResponse:
    if isinstance(error, UsedProofError):
        heading, advice, status = _("This link was used"), _("It works once. Nothing more is to be done."), 410
    elif isinstance(error, ExpiredProofError):
        heading, advice, status = _("This link is too old"), _("It works for 24 hours. Upload the certificate once more; you get a new one."), 410
    elif isinstance(error, RefusedProofError):
        cause = error.__cause__
        words = explain(cause) if isinstance(cause, X509Error | DirectoryError) else _("This cannot be accepted.")
        heading, advice, status = _("The certificate cannot be published"), words, 409
    else:
        heading, status = _("We do not know this link"), 404
        advice = _("Perhaps the mail program broke it in two. Copy all of it from the mail into the address line.")
    return render(request, "mailer/link_closed.html", {"heading": heading, "advice": advice}, status=status)
