"""`/api/v1/publications`: hand in a certificate, prove it with the mailed code or a signed answer, and see what became of it."""

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

from directory.answers import written
from directory.api.authentication import actor_of
from directory.api.parsing import JSONBody
from directory.api.permissions import require_scope
from directory.api.problems import Problem, of_domain_error, unprocessable
from directory.errors import DirectoryError
from directory.explanations import explain as explain_known
from directory.models import ApiToken
from directory.tokens import Scope
from directory.x509.containers import MOST_UPLOAD_OCTETS
from directory.x509.errors import MalformedAddressError, UnpublishableError, UploadTooLargeError, X509Error
from directory.x509.names import EmailAddress
from mailer.answering import MOST_OCTETS
from mailer.api.shapes import documented_proof, documented_publication, documented_publish
from mailer.explanations import explain, explain_answer
from mailer.models import Publication, PublicationStatus
from mailer.proving import (
    ProvingError,
    RefusedAnswerError,
    RefusedProofError,
    TooManyProofsError,
    UnknownProofError,
    WrongCodeError,
    answer,
    challenge,
    confirm_code,
    submit,
)
from mailer.publication_states import TRANSITIONS
from mailer.uploads import handed_in

RETRY_AFTER_SECONDS = 24 * 60 * 60
MOST_CODE = 40
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
            address, der, chain = handed_in(upload, email)
            publication = submit(address=address, der=der, chain=chain, organization=token.organization, actor=actor_of(token), at=timezone.now())
        except UnpublishableError as error:
            raise Problem(422, _("A value cannot be accepted"), explain(error), kind=error.code.replace("_", "-")) from error
        except TooManyProofsError as error:
            detail = _("This address has had its proof mails of 24 hours: two asked for with tokens, three in all. Please try again tomorrow.")
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Problem(429, _("Too many proof mails"), detail, kind="too-many-proofs", headers=headers) from error
        return Response(_shape(publication), status=202, headers={"Cache-Control": "no-store"})


class SignedAnswer(BaseParser):
    """A signed mail or CMS as the whole body."""

    media_type = "message/rfc822"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        return bytes(stream.read(MOST_OCTETS + 1))


class SignedCms(SignedAnswer):
    media_type = "application/pkcs7-mime"


class DetachedName(SignedAnswer):
    """Programs call a CMS so, whether its content is inside or not; it must be."""

    media_type = "application/pkcs7-signature"


class AnyOctets(SignedAnswer):
    media_type = "application/octet-stream"


class PublicationView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]

    @documented_publication
    def get(self, request: Request, publication_id: UUID) -> Response:
        return Response(_shape(_own(request, publication_id)), headers={"Cache-Control": "no-store"})


class PublicationProofView(APIView):
    permission_classes = [require_scope(Scope.PUBLISH)]
    parser_classes = [JSONBody, SignedAnswer, SignedCms, DetachedName, AnyOctets]

    @documented_proof
    def post(self, request: Request, publication_id: UUID) -> Response:
        own = _own(request, publication_id)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > MOST_OCTETS:
            raise _too_large()
        given: object = request.data
        try:
            if isinstance(given, bytes):
                if len(given) > MOST_OCTETS:
                    raise _too_large()
                proven = answer(own.id, given, at=timezone.now())
            else:
                proven = confirm_code(own.id, _code(given), at=timezone.now())
        except ProvingError as error:
            raise _of_proving_error(error) from error
        return Response(_shape(proven), headers={"Cache-Control": "no-store"})


def _own(request: Request, publication_id: UUID) -> Publication:
    """The caller's own; another organisation's is not found."""
    publication = Publication.objects.filter(organization=_token(request).organization, id=publication_id).first()
    if publication is None:
        raise Http404
    return publication


def _code(given: object) -> str:
    code = given.get("code") if isinstance(given, dict) else None
    if not isinstance(code, str) or not 0 < len(code) <= MOST_CODE or not code.isascii():
        raise unprocessable("/code", _("Give the code from the mail, such as ABCD-2345, or a signed answer as the body."))
    return code


def _too_large() -> Problem:
    return Problem(413, _("Too large"), explain_answer("too_large"), kind="too-large")


def _of_proving_error(error: ProvingError) -> Problem:
    if isinstance(error, WrongCodeError):
        detail = _("This is not the code that was mailed. It may be given %(left)d times more.") % {"left": error.left}
        return Problem(422, _("A value cannot be accepted"), detail, [("/code", detail)], kind="wrong-code")
    if isinstance(error, RefusedAnswerError):
        return Problem(422, _("The answer proves nothing"), explain_answer(error.outcome), kind="answer-refused")
    if isinstance(error, RefusedProofError) and isinstance(error.__cause__, X509Error | DirectoryError):
        known = of_domain_error(error.__cause__)
        return Problem(409, _("The certificate cannot be published"), explain(error.__cause__), kind=known.kind)
    if isinstance(error, UnknownProofError):
        raise Http404
    return Problem(409, _("Not possible now"), _("This publication waits for no such proof: it has ended, or is past it."), kind="conflict")


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
    status = PublicationStatus(publication.status)
    # An erasure takes the address out of what came to nothing: what no erasure was about names its address no more either.
    email = publication.address if TRANSITIONS[status] or status == PublicationStatus.PUBLISHED else ""
    shape: dict[str, object] = {"id": str(publication.id), "email": email, "status": status.value}
    if status in {PublicationStatus.AWAITING_POSSESSION_PROOF, PublicationStatus.WAITING}:
        # Not before the mailbox is proven: whoever handed it in must not know it from here.
        shape["challenge"] = challenge(publication)
    if status == PublicationStatus.WAITING and publication.publish_at is not None:
        shape["publish_at"] = written(publication.publish_at)
    return {**shape, "reason": publication.reason} if publication.reason else shape
