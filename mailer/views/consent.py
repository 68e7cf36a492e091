"""The pages behind a question for consent: what would be published, yes, and never again. A GET changes nothing."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from directory.errors import DirectoryError
from directory.explanations import explain
from directory.x509.errors import X509Error
from mailer.consenting import (
    ConsentError,
    ExpiredConsentError,
    OldConsentLinkError,
    UnpublishableConsentError,
    UsedConsentError,
    find_consent,
    give_consent,
    mail_new_link,
    refuse_consent,
    to_publish,
)
from mailer.models import Consent, Replacement


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: HttpRequest, secret: str) -> HttpResponse:
    """404 for a link nobody was sent, 410 for one that is over; for one that is too old the POST mails a new one."""
    try:
        if request.method == "POST":
            given, published = give_consent(secret, at=timezone.now())
            waiting = [one for one in published if isinstance(one, Replacement)]
            return render(request, "mailer/consent_given.html", {"consent": given, "waiting": waiting[0] if waiting else None})
        found = find_consent(secret, at=timezone.now())
    except OldConsentLinkError as error:
        return _renewed(request, error.consent, secret)
    except ConsentError as error:
        return _closed(request, error)
    return render(request, "mailer/consent.html", {"consent": found, "certificates": to_publish(found), "secret": secret})


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def never(request: HttpRequest, secret: str) -> HttpResponse:
    """RFC 8058: mail programs POST here without cookies, so the secret in the address is what allows it."""
    if request.method == "POST":
        try:
            refuse_consent(secret, at=timezone.now())
        except ConsentError as error:
            return _closed(request, error)
    return render(request, "mailer/consent_never.html", {"done": request.method == "POST"})


def _renewed(request: HttpRequest, old: Consent, secret: str) -> HttpResponse:
    if request.method == "POST":
        mail_new_link(secret, at=timezone.now())
        return render(request, "mailer/consent_renewed.html", {"consent": old})
    return render(request, "mailer/consent_late.html", {"consent": old, "secret": secret}, status=HTTPStatus.GONE)


def _closed(request: HttpRequest, error: ConsentError) -> HttpResponse:
    if isinstance(error, UsedConsentError):
        heading, advice, status = _("This question was answered"), _("Nothing more is to be done."), 410
    elif isinstance(error, ExpiredConsentError):
        heading, status = _("This question is over"), 410
        advice = _("It was open for 14 days. Nothing was published. You can still upload your certificate yourself.")
    elif isinstance(error, UnpublishableConsentError):
        cause = error.__cause__
        words = explain(cause) if isinstance(cause, X509Error | DirectoryError) else _("Its issuer has revoked it.")
        heading, advice, status = _("The certificate cannot be published"), words, 409
    else:
        heading, status = _("We do not know this link"), 404
        advice = _("Perhaps the mail program broke it in two. Copy all of it from the mail into the address line.")
    return render(request, "mailer/link_closed.html", {"heading": heading, "advice": advice}, status=status)
