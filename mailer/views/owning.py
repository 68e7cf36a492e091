"""The owner's pages: ask for a link by mail; see and change what is published. A GET changes nothing; what may be seen is in the link alone."""

from http import HTTPStatus
from typing import ClassVar

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from directory.errors import IllegalMoveError
from directory.x509.errors import AddressError
from directory.x509.names import EmailAddress
from mailer import owning, reverifying
from mailer.ca.errors import StaleLedgerError
from mailer.ca.shards import Reason
from mailer.explanations import explain
from mailer.models import LinkPurpose, OwnerLink
from mailer.owner_links import ExpiredOwnerLinkError, OwnerLinkError, UnknownOwnerLinkError, actor_of, ask_link, find_link
from mailer.replacing import ReplacementError
from mailer.views.inviting import CertificateForm
from mailer.views.quotas import over_quota
from mailer.views.uploading import hand_in, taken

METHODS = ["GET", "HEAD", "POST"]


class AskForm(forms.Form):
    """Whose mailbox it is."""

    email = forms.CharField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email", "class": "is-30"}),
    )

    def clean_email(self) -> EmailAddress:
        try:
            return EmailAddress.parse(str(self.cleaned_data["email"]).strip())
        except AddressError as error:
            raise forms.ValidationError(explain(error)) from None


class ChangeForm(forms.Form):
    """One change of the mailbox; `certificate`, `replacement` and `reason` where it is about one."""

    DO: ClassVar = ("hide", "show", "withdraw", "revoke", "stop", "never")

    do = forms.ChoiceField(choices=[(do, do) for do in DO])
    certificate = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    replacement = forms.UUIDField(required=False)
    reason = forms.ChoiceField(required=False, choices=[(reason.value, reason.value) for reason in Reason])


REASONS = (
    (Reason.KEY_COMPROMISE, gettext_lazy("I lost the key, or somebody else may have it")),
    (Reason.SUPERSEDED, gettext_lazy("I have a new certificate")),
    (Reason.AFFILIATION_CHANGED, gettext_lazy("What it says of me or of my organisation is no longer right")),
    (Reason.CESSATION_OF_OPERATION, gettext_lazy("I no longer use it")),
    (Reason.UNSPECIFIED, gettext_lazy("Another reason, which I keep to myself")),
)


@never_cache
@require_http_methods(METHODS)
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a link. The answer is the same whether the address is known, unknown, hidden, erased or has had its mails."""
    form = AskForm(request.POST) if request.method == "POST" else AskForm()
    if form.is_bound:
        refused = over_quota(request, at=timezone.now())
        if refused is not None:
            return refused
        if form.is_valid():
            ask_link(form.cleaned_data["email"], actor="anonymous", at=timezone.now())
            return render(request, "mailbox/asked.html", {"address": form.cleaned_data["email"]})
    return render(request, "mailbox/ask.html", {"form": form}, status=HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK)


@never_cache
@require_http_methods(METHODS)
def owner(request: HttpRequest, secret: str) -> HttpResponse:
    """All of the mailbox; a POST makes one change and leads back here. 404 for a link nobody was sent, 410 for one that is over."""
    now = timezone.now()
    try:
        link = find_link(secret, purpose=LinkPurpose.PAGE, at=now)
    except OwnerLinkError as error:
        return _closed(request, error)
    if request.method == "POST":
        form = ChangeForm(request.POST)
        if not form.is_valid():
            messages.error(request, _("This could not be read. Nothing was changed."))
            return redirect("owner", secret=secret)
        try:
            messages.success(request, _change(link, form))
        except owning.NotOwnedError:
            return render(request, "404.html", status=HTTPStatus.NOT_FOUND)
        except (IllegalMoveError, StaleLedgerError, ReplacementError):
            messages.warning(request, _("This can no longer be done: it has changed meanwhile. Here is how it is now."))
        return redirect("owner", secret=secret)
    context = {"link": link, "owned": owning.what_is_owned(link.match, at=now), "secret": secret, "reasons": REASONS, "now": now}
    return render(request, "mailbox/owner.html", context)


@never_cache
@require_http_methods(METHODS)
def replace(request: HttpRequest, secret: str) -> HttpResponse:
    """Upload another certificate for the mailbox of the link."""
    try:
        link = find_link(secret, purpose=LinkPurpose.PAGE, at=timezone.now())
    except OwnerLinkError as error:
        return _closed(request, error)
    form = CertificateForm(request.POST, request.FILES) if request.method == "POST" else CertificateForm()
    if form.is_bound and form.is_valid():
        publication = hand_in(form, EmailAddress.parse(link.address), actor=actor_of(link))
        if publication is not None:
            return taken(request, publication)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "mailbox/replace.html", {"link": link, "form": form, "secret": secret}, status=status)


@never_cache
@require_http_methods(METHODS)
def erase(request: HttpRequest, secret: str) -> HttpResponse:
    """The second question before everything goes; its POST erases."""
    now = timezone.now()
    try:
        link = find_link(secret, purpose=LinkPurpose.PAGE, at=now)
    except OwnerLinkError as error:
        return _closed(request, error)
    if request.method == "POST":
        erasure = owning.erase(link, at=now)
        return render(request, "mailbox/erased.html", {"address": link.address, "erasure": erasure})
    return render(request, "mailbox/erase.html", {"link": link, "owned": owning.what_is_owned(link.match, at=now), "secret": secret})


@never_cache
@require_http_methods(METHODS)
def still_mine(request: HttpRequest, secret: str) -> HttpResponse:
    """The yearly question: a GET shows what is published, a POST says that it stays; for an old link the POST mails a new one."""
    now = timezone.now()
    try:
        if request.method == "POST":
            confirmed = reverifying.confirm(secret, at=now)
            return render(request, "mailbox/still_mine_done.html", {"address": confirmed.address})
        link = find_link(secret, purpose=LinkPurpose.REVERIFY, at=now)
    except ExpiredOwnerLinkError as error:
        return _renewed(request, error.link)
    except OwnerLinkError as error:
        return _closed(request, error)
    return render(request, "mailbox/still_mine.html", {"link": link, "owned": owning.what_is_owned(link.match, at=now)})


def _renewed(request: HttpRequest, old: OwnerLink) -> HttpResponse:
    if request.method == "POST":
        reverifying.renew(old, at=timezone.now())
        return render(request, "mailbox/asked.html", {"address": EmailAddress.parse(old.address)})
    return render(request, "mailbox/still_mine_late.html", {"link": old}, status=HTTPStatus.GONE)


def _change(link: OwnerLink, form: ChangeForm) -> str:
    """Make the change and say what was done. Raises NotOwnedError and what the verbs raise."""
    do, now = form.cleaned_data["do"], timezone.now()
    certificate, replacement = form.cleaned_data["certificate"] or 0, form.cleaned_data["replacement"]
    if do in {"hide", "show"}:
        owning.set_hidden(link, hidden=do == "hide", at=now)
        return _("Hidden. Whoever asks gets the same answer as for an unknown address.") if do == "hide" else _("Shown again.")
    if do == "withdraw":
        owning.withdraw(link, certificate, at=now)
        return _("Taken out of the answers.")
    if do == "revoke":
        owning.revoke(link, certificate, reason=Reason(form.cleaned_data["reason"] or Reason.UNSPECIFIED), at=now)
        return _("Revoked. It can never be published here again.")
    if do == "stop":
        if replacement is None:
            raise owning.NotOwnedError
        owning.stop_replacement(link, replacement, at=now)
        return _("Stopped. Nothing was replaced.")
    owning.refuse_collecting(link, at=now)
    return _("We will not write to this address unasked again.")


def _closed(request: HttpRequest, error: OwnerLinkError) -> HttpResponse:
    if isinstance(error, UnknownOwnerLinkError):
        heading, status = _("We do not know this link"), HTTPStatus.NOT_FOUND
        advice = _(
            "Perhaps the mail program broke it in two: copy all of it from the mail into the address line. After an erasure its links are gone."
        )
    else:
        heading, advice, status = _("This link is too old"), _("It works for 24 hours. Ask for a new one."), HTTPStatus.GONE
    return render(request, "mailbox/closed.html", {"heading": heading, "advice": advice}, status=status)
