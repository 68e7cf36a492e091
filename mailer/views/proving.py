"""The page behind a proof mail's link: GET shows where the publication is and changes nothing, POST does the next step.

Until the mailbox is proven that is a button; then, for a certificate that only signs, a file with a signed answer; and, while it waits to replace
another, such a file by the other's key.
"""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from directory.errors import DirectoryError
from directory.x509.certificate import parse_certificate
from directory.x509.errors import X509Error
from mailer.answering import MOST_OCTETS
from mailer.explanations import explain, explain_answer
from mailer.models import Publication, PublicationStatus
from mailer.proving import (
    ExpiredProofError,
    ProvingError,
    RefusedAnswerError,
    RefusedProofError,
    UsedProofError,
    answer,
    challenge,
    confirm,
    find_proof,
)
from mailer.replacing import can_agree, follows_erasure
from mailer.reply_addresses import proof_address


class AnswerForm(forms.Form):
    """A signed answer."""

    answer = forms.FileField(
        label=gettext_lazy("Signed answer"),
        help_text=gettext_lazy("What the command wrote, or a signed mail saved as a file; at most 1 MB."),
        max_length=255,
    )

    def clean_answer(self) -> bytes:
        upload = self.cleaned_data["answer"]
        if not isinstance(upload, UploadedFile) or (upload.size or 0) > MOST_OCTETS:
            raise forms.ValidationError(explain_answer("too_large"))
        return bytes(upload.read())


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def publication(request: HttpRequest, secret: str) -> HttpResponse:
    """404 for a link nobody was sent, 410 for one that is over."""
    try:
        found = find_proof(secret, at=timezone.now())
        if request.method != "POST":
            return _show(request, found)
        if found.status != PublicationStatus.AWAITING_MAILBOX_PROOF:
            return _answer(request, found)
        return _show(request, confirm(secret, at=timezone.now()))
    except ProvingError as error:
        return _closed(request, error)


def _answer(request: HttpRequest, found: Publication) -> HttpResponse:
    form = AnswerForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show(request, found, form)
    try:
        return _show(request, answer(found.id, form.cleaned_data["answer"], at=timezone.now()))
    except RefusedAnswerError as error:
        form.add_error("answer", explain_answer(error.outcome))
        return _show(request, found, form)


def _show(request: HttpRequest, found: Publication, form: AnswerForm | None = None) -> HttpResponse:
    parsed = parse_certificate(bytes(found.der))
    context: dict[str, object] = {"publication": found, "parsed": parsed, "form": form or AnswerForm()}
    if found.status == PublicationStatus.PUBLISHED:
        return render(request, "mailer/publication_done.html", context)
    if found.status == PublicationStatus.AWAITING_MAILBOX_PROOF:
        return render(request, "mailer/publication.html", context)
    is_waiting = found.status == PublicationStatus.WAITING
    context |= {
        "challenge": challenge(found),
        "reply_to": proof_address(found.id),
        "follows_erasure": is_waiting and follows_erasure(found.replacement),
        "can_agree": is_waiting and can_agree(found.replacement, at=timezone.now()),
    }
    name = "mailer/publication_waiting.html" if is_waiting else "mailer/publication_answer.html"
    return render(request, name, context, status=422 if form is not None else 200)


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
