"""Who may open a page of an organisation: signed in, with the second factor, and a member."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url

from onboarding.models import Membership, Role, User

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Membership, P], HttpResponseBase]
View = Callable[..., HttpResponseBase]

ALL_ROLES = frozenset(Role)
TOKEN_ROLES = frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER})


def signed_in(request: HttpRequest) -> HttpResponseBase | None:
    """None for a person with the second factor; else the redirect to the step that is missing."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if getattr(request.user, "otp_device", None) is None:
        return redirect_to_login(request.get_full_path(), resolve_url("second-factor"))
    return None


def member_page(*, roles: frozenset[Role] = ALL_ROLES) -> Callable[[Page[P]], View]:
    """A page of one organisation. Strangers get 404, as if it were not there; members without one of `roles` get 403."""

    def decorate(page: Page[P]) -> View:
        @wraps(page)
        def view(request: HttpRequest, organization_id: UUID, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            missing = signed_in(request)
            if missing is not None:
                return missing
            membership = membership_of(request.user, organization_id)
            if membership is None:
                raise Http404
            if membership.role not in roles:
                raise PermissionDenied
            return page(request, membership, *args, **kwargs)

        return view

    return decorate


def membership_of(user: object, organization_id: UUID) -> Membership | None:
    """The person's membership in this organisation, with the organisation at hand."""
    if not isinstance(user, User):
        return None
    return Membership.objects.select_related("organization", "user").filter(user=user, organization_id=organization_id).first()
