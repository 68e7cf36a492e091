"""Anybody may hand in their own certificate: nothing is published before the mailbox and the key are proven."""

from http import HTTPStatus

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from directory.errors import DirectoryError
from directory.x509.errors import AddressError, X509Error
from directory.x509.names import EmailAddress
from mailer.explanations import explain
from mailer.models import Publication
from mailer.proving import TooManyProofsError, is_sealed, submit
from mailer.uploads import SeveralAddressesError, handed_in
from mailer.views.inviting import CertificateForm
from mailer.views.quotas import over_quota


class UploadForm(CertificateForm):
    """One's own certificate and the address that it is for."""

    email = forms.CharField(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("Only needed where the certificate names several."),
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email", "class": "is-30"}),
    )

    def clean_email(self) -> EmailAddress | None:
        text = str(self.cleaned_data["email"]).strip()
        try:
            return EmailAddress.parse(text) if text else None
        except AddressError as error:
            raise forms.ValidationError(explain(error)) from None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: HttpRequest) -> HttpResponse:
    """The upload; 202 once a proof is on its way, 422 with the reason for what is no good."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_bound:
        refused = over_quota(request, at=timezone.now())
        if refused is not None:
            return refused
        if form.is_valid():
            publication = _submit(form)
            if publication is not None:
                return taken(request, publication)
    return render(request, "mailer/upload.html", {"form": form}, status=HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


def hand_in(form: CertificateForm, address: EmailAddress | None, *, actor: str) -> Publication | None:
    """Have the upload proven for the address, or for the only one that it names; None with the reason at the form's field."""
    upload = form.cleaned_data["certificate"].read()
    try:
        given = handed_in(upload, address)
        return submit(address=given.address, der=given.der, chain=given.chain, organization=None, actor=actor, at=timezone.now())
    except SeveralAddressesError as error:
        form.add_error("email" if "email" in form.fields else "certificate", explain(error))
    except (X509Error, DirectoryError) as error:
        form.add_error("certificate", explain(error))
    except TooManyProofsError:
        form.add_error(
            None if "email" not in form.fields else "email",
            _("This address has had three mails of this kind within 24 hours. Please try again tomorrow."),
        )
    return None


def taken(request: HttpRequest, publication: Publication) -> HttpResponse:
    """What to do next: open the sealed mail, or sign an answer."""
    context = {"publication": publication, "is_sealed": is_sealed(publication)}
    return render(request, "mailer/invitation_taken.html", context, status=HTTPStatus.ACCEPTED)


def _submit(form: UploadForm) -> Publication | None:
    return hand_in(form, form.cleaned_data["email"], actor="anonymous")
