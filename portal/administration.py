"""The administration's site: staff with the second factor, signed in through the portal's own pages."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern, URLResolver
from django.utils.translation import gettext_lazy as _

from mailer.outbox_state import unknown_count
from onboarding.access import is_verified, person_of
from onboarding.models import StaffRoleName

# Nothing of ours has a page elsewhere, so there is nothing to view on the site.
NOT_HERE = frozenset({"logout", "password_change", "password_change_done", "view_on_site"})


class OperatorSite(AdminSite):
    """Django's administration without its own way in, out, or to another password."""

    site_header = "Letterlock"
    site_title = "Letterlock"
    index_title = _("Administration")
    enable_nav_sidebar = True
    # The portal's own 404 is enough.
    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        person = person_of(request)
        return person is not None and person.is_active and person.is_staff and is_verified(request)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [*(url for url in super().get_urls() if getattr(url, "name", None) not in NOT_HERE)]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """As Django's, but whoever may not come in goes through the portal's sign-in, or is refused."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.has_permission(request):
                response: HttpResponseBase = inner(request, *args, **kwargs)
                return response
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not is_verified(request):
                return redirect_to_login(request.get_full_path(), resolve_url("second-factor"))
            raise PermissionDenied

        return guarded

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        person = person_of(request)
        return {
            **super().each_context(request),
            "is_reviewer": person is not None and person.has_staff_role(StaffRoleName.REVIEWER),
            # On every page until it is settled.
            "unknown": unknown_count() if self.has_permission(request) else 0,
        }

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return redirect("login")
