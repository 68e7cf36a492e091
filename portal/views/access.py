"""Who may open a page of an organisation: signed in, with the second factor, a member, in the right role."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase

from mailer.pausing import active_pauses
from onboarding.access import member_of, second_factor_required
from onboarding.models import Membership, Role, User

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Membership, P], HttpResponseBase]
View = Callable[..., HttpResponseBase]

ALL_ROLES = frozenset(Role)
TOKEN_ROLES = frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER})
# Who decides how the organisation sends, and whether.
SENDING_ROLES = frozenset({Role.OWNER, Role.ADMIN})


def member_page(*, roles: frozenset[Role] = ALL_ROLES) -> Callable[[Page[P]], View]:
    """A page of one organisation. Strangers get 404, as if it were not there; members without one of `roles` get 403."""

    def decorate(page: Page[P]) -> View:
        @wraps(page)
        def view(request: HttpRequest, person: User, organization_id: UUID, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            membership = member_of(request, organization_id)
            if membership.role not in roles:
                raise PermissionDenied
            membership.user = person
            return page(request, membership, *args, **kwargs)

        member: View = view
        return second_factor_required(member)

    return decorate


def operator_page(page: Callable[Concatenate[HttpRequest, User, P], HttpResponseBase]) -> View:
    """A page of those who run the house: staff with the second factor; to everybody else there is no such page."""

    @wraps(page)
    def view(request: HttpRequest, person: User, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not (person.is_active and person.is_staff):
            raise Http404
        return page(request, person, *args, **kwargs)

    operators: View = second_factor_required(view)
    return operators


def room(membership: Membership, here: str, **context: object) -> dict[str, object]:
    """What every page of the organisation's room is drawn from; `here` is the entry of the navigation."""
    return {
        "organization": membership.organization,
        "membership": membership,
        "makes_tokens": membership.role in TOKEN_ROLES,
        "decides_sending": membership.role in SENDING_ROLES,
        "pauses": list(active_pauses(membership.organization)),
        "here": here,
        **context,
    }
