"""The pages behind an invitation's links: upload one's certificate, or never be invited again. A GET changes nothing."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from directory.x509.containers import MOST_UPLOAD_OCTETS
from directory.x509.errors import X509Error
from directory.x509.names import EmailAddress
from mailer.explanations import explain
from mailer.inviting import ExpiredInvitationError, InvitationError, find_invitation, suppress
from mailer.models import Invitation, Publication
from mailer.proving import TooManyProofsError, is_sealed, submit
from mailer.uploads import handed_in


class CertificateForm(forms.Form):
    """One's own certificate."""

    certificate = forms.FileField(
        label=gettext_lazy("Certificate"), help_text=gettext_lazy("PEM, DER or PKCS#7, without the private key; at most 1 MB."), max_length=255
    )

    def clean_certificate(self) -> object:
        upload = self.cleaned_data["certificate"]
        if not isinstance(upload, UploadedFile) or (upload.size or 0) > MOST_UPLOAD_OCTETS:
            raise forms.ValidationError(_("The file is too large: at most 1 MB."))
        return upload


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Who asks, and the upload. 404 for a link nobody was sent, 410 for one that is over."""
    try:
        found = find_invitation(secret, at=timezone.now())
    except InvitationError as error:
        return _closed(request, error)
    form = CertificateForm(request.POST, request.FILES) if request.method == "POST" else CertificateForm()
    if form.is_bound and form.is_valid():
        publication = _submit(form, found)
        if publication is not None:
            context = {"publication": publication, "is_sealed": is_sealed(publication)}
            return render(request, "mailer/invitation_taken.html", context, status=202)
    context = {"invitation": found, "organization": found.organization, "form": form, "secret": secret}
    return render(request, "mailer/invitation.html", context, status=422 if form.errors else 200)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def never(request: HttpRequest, secret: str) -> HttpResponse:
    """RFC 8058: mail programs POST here without cookies, so the secret in the address is what allows it."""
    if request.method == "POST":
        try:
            suppress(secret, at=timezone.now())
        except InvitationError as error:
            return _closed(request, error)
    return render(request, "mailer/invitation_never.html", {"done": request.method == "POST"})


def _submit(form: CertificateForm, found: Invitation) -> Publication | None:
    address = EmailAddress.parse(found.address)
    try:
        given = handed_in(form.cleaned_data["certificate"].read(), address)
        actor = f"invitation:{found.id}"
        return submit(address=address, der=given.der, chain=given.chain, organization=None, actor=actor, at=timezone.now())
    except X509Error as error:
        form.add_error("certificate", explain(error))
    except TooManyProofsError:
        form.add_error("certificate", _("This address has had three proof mails within 24 hours. Please try again tomorrow."))
    return None


def _closed(request: HttpRequest, error: InvitationError) -> HttpResponse:
    if isinstance(error, ExpiredInvitationError):
        heading, advice, status = _("This invitation is over"), _("Ask its sender for a new one."), 410
    else:
        heading, status = _("We do not know this link"), 404
        advice = _("Perhaps the mail program broke it in two. Copy all of it from the mail into the address line.")
    return render(request, "mailer/link_closed.html", {"heading": heading, "advice": advice}, status=status)
