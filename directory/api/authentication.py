"""Bearer tokens (RFC 6750) of the Authorization header; nowhere else, so that none ends in a log."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from directory.api.problems import Problem
from directory.errors import BadTokenError
from directory.models import ApiToken
from directory.tokens import find_known_token


def bearer(header: str | None, *, at: datetime) -> ApiToken | None:
    """The token of an Authorization header, None without the header. Raises AuthenticationFailed (401), or Problem 422 for a sandbox's token."""
    if header is None:
        return None
    scheme, _space, text = header.partition(" ")
    if text.strip().startswith("ll_test_"):
        raise Problem(422, _("Not there yet"), _("The sandbox and its ll_test_ tokens are not there yet."), kind="no-sandbox")
    try:
        token = find_known_token(text.strip(), at=at) if scheme.lower() == "bearer" else None
    except BadTokenError:
        token = None
    if token is None:
        raise AuthenticationFailed(_("The token is not valid, has expired, or was revoked."))
    return token


class TokenAuthentication(BaseAuthentication):
    """Makes `request.auth` the `ApiToken`; there is no user. Without the header the request is anonymous; with a bad one it is refused."""

    def authenticate(self, request: Request) -> tuple[None, ApiToken] | None:
        token = bearer(request.META.get("HTTP_AUTHORIZATION"), at=timezone.now())
        return None if token is None else (None, token)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - REST framework's signature
        return 'Bearer realm="Letterlock"'


def actor_of(token: ApiToken) -> str:
    """The token as the actor of a change."""
    return f"token:{token.prefix}"
