"""Who may open which page: signed in, second factor given, reviewer, member."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import is_valid_path
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_POST

from onboarding.people.models import Membership, Role, StaffRoleName, User

P = ParamSpec("P")
PersonView = Callable[Concatenate[HttpRequest, User, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def person_of(request: HttpRequest) -> User | None:
    """Who is signed in, with or without the second factor."""
    return request.user if isinstance(request.user, User) else None


def is_verified(request: HttpRequest) -> bool:
    """Whether the second factor was given in this session."""
    return getattr(request.user, "otp_device", None) is not None


def post_only(view: View[P]) -> View[P]:
    """A page that has no GET: whoever must sign in first comes back to the page above it."""
    guarded = require_POST(view)
    guarded.__dict__["is_post_only"] = True
    return guarded


def _way_back(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None or not getattr(match.func, "is_post_only", False):
        return request.get_full_path()
    above = request.path.rstrip("/")
    while above := above.rpartition("/")[0]:
        if is_valid_path(f"{above}/"):
            return f"{above}/"
    return "/"


def _unkept(response: HttpResponseBase) -> HttpResponseBase:
    """What only one person may see is kept by no cache, not even by the browser of a shared machine."""
    add_never_cache_headers(response)
    return response


def sign_in_required(view: PersonView[P]) -> View[P]:
    """Hands the signed-in person to the view; anybody else is sent to the sign-in page and comes back."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        person = person_of(request)
        return redirect_to_login(_way_back(request)) if person is None else _unkept(view(request, person, *args, **kwargs))

    update_wrapper(guarded, view)
    return guarded


def second_factor_required(view: PersonView[P]) -> View[P]:
    """As `sign_in_required`, and the second factor was given in this session."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        person = person_of(request)
        if person is None:
            return redirect_to_login(_way_back(request))
        if not is_verified(request):
            return redirect_to_login(_way_back(request), resolve_url("second-factor"))
        return _unkept(view(request, person, *args, **kwargs))

    update_wrapper(guarded, view)
    return guarded


def reviewer_required(view: PersonView[P]) -> View[P]:
    """As `second_factor_required`, for reviewers; to everybody else there is no such page."""

    def guarded(request: HttpRequest, person: User, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not person.has_staff_role(StaffRoleName.REVIEWER):
            raise Http404
        return view(request, person, *args, **kwargs)

    update_wrapper(guarded, view)
    return second_factor_required(guarded)


def member_of(request: HttpRequest, organization_id: UUID, roles: frozenset[Role] = frozenset(Role)) -> Membership:
    """The signed-in person's membership with one of `roles`; Http404 for strangers and lesser members."""
    person = person_of(request)
    membership = (
        person and Membership.objects.select_related("organization").filter(user=person, organization_id=organization_id, role__in=roles).first()
    )
    if not membership:
        raise Http404
    return membership
