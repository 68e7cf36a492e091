"""Registering and confirming the address."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from onboarding.access import person_of
from onboarding.forms.accounts import PasswordForm, RegisterForm
from onboarding.people import registering
from onboarding.people.registering import ConfirmationError, ExpiredConfirmationError, TooManyMailsError, UsedConfirmationError, WrongPasswordError

MARK = "registration"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponseBase:
    """The form; a good one leads to the same page whether or not the address has an account."""
    if person_of(request) is not None:
        return redirect("applications")
    form = RegisterForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        try:
            request.session[MARK] = registering.register(
                address=answers["email"],
                name=answers["name"],
                password=answers["password"],
                language=get_language() or "en",
                at=timezone.now(),
            )
        except TooManyMailsError:
            form.add_error("email", _("Three mails have gone to this address today. Open the newest one, or try again tomorrow."))
        else:
            return redirect("register-sent")
    return render(request, "onboarding/register.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    return render(request, "onboarding/register_sent.html")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, secret: str) -> HttpResponseBase:
    """A GET shows a button and changes nothing, since mail filters follow links; the POST makes the account."""
    at, mark = timezone.now(), str(request.session.get(MARK, ""))
    try:
        confirmation = registering.find_confirmation(secret, at=at)
        form = PasswordForm(request.POST if request.method == "POST" else None) if mark != confirmation.digest else None
        if request.method == "POST" and (form is None or form.is_valid()):
            registering.confirm(secret, mark=mark, password=form.cleaned_data["password"] if form else "", at=at)
            request.session.pop(MARK, None)
            messages.success(request, _("Your address is confirmed. You can sign in now."))
            return redirect("login")
    except WrongPasswordError:
        form = PasswordForm(request.POST)
        form.add_error(
            "password", _("This is not the password of this registration. If you did not register, close this page: there will be no account.")
        )
    except ConfirmationError as error:
        state = {UsedConfirmationError: "used", ExpiredConfirmationError: "expired"}.get(type(error), "unknown")
        return render(request, "onboarding/confirm_closed.html", {"state": state}, status=404 if state == "unknown" else 410)
    status = 422 if form is not None and form.errors else 200
    return render(request, "onboarding/confirm.html", {"confirmation": confirmation, "form": form}, status=status)
