"""Signing in with the password, then the second factor; signing out; the account's own page."""

import io
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlencode

import qrcode
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_otp import login as otp_login
from qrcode.image.svg import SvgPathFillImage

from directory.api.quotas import client_address
from onboarding.access import is_verified, person_of, second_factor_required, sign_in_required
from onboarding.forms.accounts import CodeForm, LoginForm, SignInCodeForm
from onboarding.people import second_factor as factor
from onboarding.people.events import log_of
from onboarding.people.models import StaffRoleName, User
from onboarding.people.second_factor import AlreadyEnrolledError, SecondFactorError, TooManyCodesError

GIVEN_AT = "second_factor_at"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Address and password; then always the second factor."""
    if person_of(request) is not None:
        return _onwards(request) if is_verified(request) else redirect("second-factor")
    form = LoginForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["email"].strip().lower()
        user = authenticate(request, username=name, password=form.cleaned_data["password"])
        if isinstance(user, User):
            login(request, user)
            return redirect(_with_next(request, "second-factor"))
        form.add_error(None, _("Address or password is not right. If you have just registered, open the link in our mail first."))
    return render(request, "onboarding/login.html", {"form": form, "next": _next(request)}, status=422 if form.errors else 200)


def client_address_of(request: HttpRequest) -> str | None:
    """By which address axes counts wrong passwords: the one that look-ups are counted by; None for what is no address."""
    address = client_address(request.META)
    try:
        return str(ip_address(address))
    except ValueError:
        return None


def locked_out(request: HttpRequest, *_ignored: object) -> HttpResponse:
    """What axes shows in place of an answer after too many wrong passwords."""
    return render(request, "onboarding/locked_out.html", status=429)


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    logout(request)
    return redirect("home")


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def second_factor(request: HttpRequest, person: User) -> HttpResponseBase:
    """Asks for a code; an account without a second factor sets one here, and sees its recovery codes once."""
    if is_verified(request):
        return _onwards(request)
    if factor.is_enrolled(person):
        return _verify(request, person, at=timezone.now())
    return _enrol(request, person, at=timezone.now())


@never_cache
@require_safe
@sign_in_required
def qr_code(request: HttpRequest, person: User) -> HttpResponseBase:  # noqa: ARG001 - the person is what counts
    """The secret that waits for its first code, as a picture (SVG); 404 once it is in use."""
    try:
        device = factor.begin(person)
    except AlreadyEnrolledError:
        raise Http404 from None
    picture = io.BytesIO()
    qrcode.make(device.config_url, image_factory=SvgPathFillImage, border=4).save(picture)
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def recovery_codes(request: HttpRequest, person: User) -> HttpResponseBase:
    """How many codes are left; a POST makes new ones and shows them in the answer, this once."""
    codes = factor.renew_recovery_codes(person, actor=person.actor, at=timezone.now()) if request.method == "POST" else []
    return render(request, "onboarding/recovery_codes.html", {"codes": codes, "left": factor.codes_left(person)})


@never_cache
@require_safe
@second_factor_required
def account(request: HttpRequest, person: User) -> HttpResponseBase:
    """Where this person belongs, and what guards the account."""
    context = {
        "person": person,
        "memberships": person.memberships.select_related("organization").order_by("organization__legal_name"),
        "is_reviewer": person.has_staff_role(StaffRoleName.REVIEWER),
        "left": factor.codes_left(person),
        "events": log_of(person, most=10),
    }
    return render(request, "onboarding/account.html", context)


def _verify(request: HttpRequest, person: User, *, at: datetime) -> HttpResponseBase:
    form = SignInCodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            device = factor.check(person, form.cleaned_data["code"], at=at)
        except SecondFactorError as error:
            _refuse(form, error)
        else:
            _mark(request, device, at)
            return _onwards(request)
    return render(request, "onboarding/second_factor.html", {"form": form, "next": _next(request)}, status=422 if form.errors else 200)


def _enrol(request: HttpRequest, person: User, *, at: datetime) -> HttpResponseBase:
    device = factor.begin(person)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            device, codes = factor.enrol(person, form.cleaned_data["code"], actor=person.actor, at=at)
        except SecondFactorError as error:
            _refuse(form, error)
        else:
            _mark(request, device, at)
            return render(request, "onboarding/recovery_codes.html", {"codes": codes, "left": len(codes), "onwards": _next(request)})
    context = {"form": form, "secret": factor.secret_of(device), "next": _next(request)}
    return render(request, "onboarding/enrol.html", context, status=422 if form.errors else 200)


def _refuse(form: CodeForm, error: SecondFactorError) -> None:
    if isinstance(error, TooManyCodesError):
        form.add_error("code", _("Too many wrong codes. Wait a moment, then give the code that is shown then."))
    else:
        form.add_error(
            "code", _("This code is not right, or was used before. Wait for the next one, and see that the clock of your device is right.")
        )


def _mark(request: HttpRequest, device: object, at: datetime) -> None:
    # A new key for a session with more rights; the time lets a later page ask for a fresh code.
    request.session.cycle_key()
    otp_login(request, device)
    request.session[GIVEN_AT] = at.isoformat()
    messages.success(request, _("You are signed in."))


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is on this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()) else ""


def _with_next(request: HttpRequest, name: str) -> str:
    wanted = _next(request)
    page = resolve_url(name)
    return f"{page}?{urlencode({'next': wanted})}" if wanted else page


def _onwards(request: HttpRequest) -> HttpResponseBase:
    person, wanted = person_of(request), _next(request)
    if wanted:
        return redirect(wanted)
    if person is not None and person.has_staff_role(StaffRoleName.REVIEWER):
        return redirect("review-queue")
    membership = person.memberships.order_by("created_at").first() if person else None
    return redirect("dashboard", membership.organization_id) if membership else redirect("applications")
