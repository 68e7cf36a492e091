"""What a token may do."""

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from directory.api.problems import Problem
from directory.models import ApiToken
from directory.tokens import Scope


def check_scope(token: ApiToken, scope: str) -> None:
    """Raise Problem 403 unless the token has `scope`."""
    if scope not in token.scopes:
        raise Problem(403, _("Not allowed"), _("The token lacks the scope “%(scope)s”.") % {"scope": scope}, kind="missing-scope")


def require_scope(scope: str) -> type[BasePermission]:
    """A permission class: a token with `scope` is needed; 401 without a token, 403 without the scope."""
    wanted = Scope(scope)

    class HasScope(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - REST framework's signature
            if not isinstance(request.auth, ApiToken):
                raise NotAuthenticated(_("Send a token in the Authorization header."))
            check_scope(request.auth, wanted)
            return True

    HasScope.__name__ = f"HasScope_{wanted}"
    return HasScope
