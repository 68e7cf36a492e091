"""`/api/v1/contributions`: hand in a signed mail, so that its sender is asked whether their certificate may be published."""

from collections.abc import Mapping
from typing import IO, Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from directory.api.authentication import actor_of
from directory.api.permissions import require_scope
from directory.api.problems import Problem, unprocessable
from directory.models import ApiToken
from directory.tokens import Scope
from mailer.api.shapes import documented_contribute, documented_contribution
from mailer.collecting import DAY, TooManyContributionsError, contribute, outward_status
from mailer.contributed import MOST_OCTETS, UndecidedError
from mailer.models import Consent, ConsentStatus

RETRY_AFTER_SECONDS = 300
_NO_STORE = {"Cache-Control": "no-store"}


class SignedMail(BaseParser):
    """A mail as its octets."""

    media_type = "message/rfc822"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        # One octet more than is taken, so that what is too large is seen to be.
        return bytes(stream.read(MOST_OCTETS + 1))


class ContributionsView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]
    parser_classes = [SignedMail]

    @documented_contribute
    def post(self, request: Request) -> Response:
        token, now = _token(request), timezone.now()
        try:
            consent = contribute(_mail(request), organization=token.organization, actor=actor_of(token), at=now)
        except TooManyContributionsError as error:
            detail = _("Your organisation has handed in the most mails that are taken in 24 hours.")
            headers = {"Retry-After": str(int(DAY.total_seconds()))}
            raise Problem(429, _("Too many contributions"), detail, kind="too-many-contributions", headers=headers) from error
        except UndecidedError as error:
            detail = _(
                "The DNS of the sender's domain gave no answer, so the mail's DKIM signature could not be checked. Please send it again later."
            )
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Problem(503, _("Not now"), detail, kind="dns", headers=headers) from error
        return Response(_shape(consent), status=202, headers=_NO_STORE)


class ContributionView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]

    @documented_contribution
    def get(self, request: Request, contribution_id: UUID) -> Response:
        consent = Consent.objects.filter(organization=_token(request).organization, id=contribution_id).first()
        if consent is None:
            raise Http404
        return Response(_shape(consent), headers=_NO_STORE)


def _token(request: Request) -> ApiToken:
    token = request.auth
    if not isinstance(token, ApiToken):
        raise TypeError("a permission lets only tokens in")
    return token


def _mail(request: Request) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    # Before it is read, where it says so; and where it does not, once the parser has stopped.
    mail: object = None if length.isdigit() and int(length) > MOST_OCTETS else request.data
    if mail is None or (isinstance(mail, bytes) and len(mail) > MOST_OCTETS):
        raise Problem(413, _("Too large"), _("A mail that is handed in has at most 10 MB."), kind="too-large")
    if not isinstance(mail, bytes) or not mail.strip():
        # REST framework gives no parser an empty body.
        raise unprocessable("", _("The body is empty: send the signed mail as it is, as message/rfc822."))
    return mail


def _shape(consent: Consent) -> dict[str, object]:
    status = outward_status(consent, at=timezone.now())
    shape: dict[str, object] = {"id": str(consent.id), "status": status.value}
    return {**shape, "reason": consent.reason} if status == ConsentStatus.REFUSED else shape
