"""`/api/v1/publications`: hand in a certificate, and see what became of it."""

from collections.abc import Mapping
from typing import IO, Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from directory.api.authentication import actor_of
from directory.api.permissions import require_scope
from directory.api.problems import Problem, unprocessable
from directory.explanations import explain as explain_known
from directory.models import ApiToken
from directory.tokens import Scope
from directory.x509.containers import MOST_UPLOAD_OCTETS
from directory.x509.errors import MalformedAddressError, UnpublishableError, UploadTooLargeError
from directory.x509.names import EmailAddress
from mailer.api.shapes import documented_publication, documented_publish
from mailer.explanations import explain
from mailer.models import Publication
from mailer.proving import TooManyProofsError, submit
from mailer.uploads import certificate_for, only_address

RETRY_AFTER_SECONDS = 24 * 60 * 60
_FORM_OCTETS = MOST_UPLOAD_OCTETS + 64 * 1024


class RawCertificate(BaseParser):
    """A certificate as the whole body, under whatever media type: its own bytes say what it is."""

    media_type = "*/*"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        # One octet more than is taken, so that what is too large is seen to be.
        return bytes(stream.read(MOST_UPLOAD_OCTETS + 1))


class PublicationsView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]
    parser_classes = [MultiPartParser, RawCertificate]

    @documented_publish
    def post(self, request: Request) -> Response:
        token = _token(request)
        upload, email = _upload(request)
        try:
            if email is None:
                address, der = only_address(upload)
            else:
                address, der = email, certificate_for(upload, email)
            publication = submit(address=address, der=der, organization=token.organization, actor=actor_of(token), at=timezone.now())
        except UnpublishableError as error:
            raise Problem(422, _("A value cannot be accepted"), explain(error), kind=error.code.replace("_", "-")) from error
        except TooManyProofsError as error:
            detail = _("This address has had its proof mails of 24 hours: two asked for with tokens, three in all. Please try again tomorrow.")
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Problem(429, _("Too many proof mails"), detail, kind="too-many-proofs", headers=headers) from error
        return Response(_shape(publication), status=202, headers={"Cache-Control": "no-store"})


class PublicationView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]

    @documented_publication
    def get(self, request: Request, publication_id: UUID) -> Response:
        publication = Publication.objects.filter(organization=_token(request).organization, id=publication_id).first()
        if publication is None:
            raise Http404
        return Response(_shape(publication), headers={"Cache-Control": "no-store"})


def _token(request: Request) -> ApiToken:
    token = request.auth
    if not isinstance(token, ApiToken):
        raise TypeError("a permission lets only tokens in")
    return token


def _upload(request: Request) -> tuple[bytes, EmailAddress | None]:
    """The octets that were handed in and the address that was named, if one was."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > _FORM_OCTETS:
        raise Problem(413, _("Too large"), explain_known(UploadTooLargeError()), kind="too-large")
    data: object = request.data
    email = request.query_params.get("email")
    if isinstance(data, bytes):
        upload = data
    elif not (request.content_type or "").startswith("multipart/"):
        # REST framework gives no parser an empty body.
        raise unprocessable("", _("The body is empty: send the certificate as the body, or a form with the file “certificate”."))
    else:
        file = request.FILES.get("certificate")
        if not isinstance(file, UploadedFile):
            raise unprocessable("/certificate", _("The form has no file “certificate”."))
        upload = file.read(MOST_UPLOAD_OCTETS + 1)
        email = request.POST.get("email", email)
    if not email:
        return upload, None
    try:
        return upload, EmailAddress.parse(str(email))
    except MalformedAddressError as error:
        raise unprocessable("/email", explain_known(error)) from error


def _shape(publication: Publication) -> dict[str, object]:
    shape: dict[str, object] = {"id": str(publication.id), "email": publication.address, "status": publication.status}
    return {**shape, "reason": publication.reason} if publication.reason else shape
