"""Problem documents (RFC 9457): the one place where errors become answers."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions

from directory.errors import DirectoryError, OverQuotaError
from directory.explanations import explain
from directory.x509.errors import CertificateTooLargeError, UploadTooLargeError, X509Error

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger("django.request")


class Problem(Exception):
    """An answer that is a problem document. `errors` are pairs of a JSON pointer and its detail; `kind` names the problem's type."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        errors: Sequence[tuple[str, str]] = (),
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, title, detail)
        self.status, self.title, self.detail = status, title, detail
        self.errors = list(errors)
        self.kind = kind
        self.headers = dict(headers or {})


def respond(problem: Problem) -> HttpResponse:
    """The problem as an answer that nobody may keep."""
    body: dict[str, object] = {
        "type": f"{settings.LETTERLOCK_URL}/api/docs/#problem-{problem.kind}" if problem.kind else "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in problem.errors]
    headers = {"Cache-Control": "no-store", **problem.headers}
    return HttpResponse(orjson.dumps(body), status=problem.status, content_type=MEDIA_TYPE, headers=headers)


def unprocessable(pointer: str, detail: str) -> Problem:
    """422 for one wrong value."""
    return Problem(422, _("A value cannot be accepted"), detail, [(pointer, detail)], kind="invalid")


def of_domain_error(error: X509Error | DirectoryError) -> Problem:
    """The problem that a named error of the directory is."""
    if isinstance(error, (CertificateTooLargeError, UploadTooLargeError)):
        return Problem(413, _("Too large"), explain(error), kind="too-large")
    if isinstance(error, OverQuotaError):
        headers = {"Retry-After": str(error.retry_after)}
        return Problem(429, _("Too many look-ups"), explain(error), kind="over-quota", headers=headers)
    return Problem(422, _("A value cannot be accepted"), explain(error), kind=error.code.replace("_", "-"))


def handle_exception(error: Exception, context: Mapping[str, object]) -> HttpResponse:
    """REST framework's EXCEPTION_HANDLER: every error of an API view as a problem document. What nobody foresaw is logged, and a 500."""
    problem = _translate(error)
    if problem is not None:
        return respond(problem)
    asked = context.get("request")
    request = getattr(asked, "_request", asked)
    got_request_exception.send(sender=None, request=request)
    _log.error("Internal Server Error: %s", getattr(request, "path", ""), exc_info=error)
    return respond(internal_error())


def internal_error() -> Problem:
    return Problem(500, _("Something went wrong here"), _("The fault is ours and was noted. Please try again later."))


def _translate(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, (X509Error, DirectoryError)):
        return of_domain_error(error)
    if isinstance(error, exceptions.APIException):
        return _of_framework_error(error)
    return next((make() for kind, make in _DJANGO_ERRORS.items() if isinstance(error, kind)), None)


# The narrower class first: a body that is too large is a suspicious operation too.
_DJANGO_ERRORS: Mapping[type[Exception], Callable[[], Problem]] = {
    Http404: lambda: Problem(404, _("Not found"), _("There is nothing at this address, or it is not yours.")),
    PermissionDenied: lambda: Problem(403, _("Not allowed"), _("This token may not do this.")),
    RequestDataTooBig: lambda: Problem(413, _("Too large"), _("The request is larger than this endpoint takes."), kind="too-large"),
    SuspiciousOperation: lambda: Problem(400, _("Bad request"), _("The request is not well-formed.")),
}


def _of_framework_error(error: exceptions.APIException) -> Problem:
    if isinstance(error, (exceptions.NotAuthenticated, exceptions.AuthenticationFailed)):
        # The framework says 403 where the first authenticator names no challenge; ours always does.
        headers = {"WWW-Authenticate": getattr(error, "auth_header", "") or 'Bearer realm="Letterlock"'}
        return Problem(401, _("A token is needed"), _plain(error.detail), kind="unauthenticated", headers=headers)
    if isinstance(error, exceptions.ValidationError):
        return Problem(422, _("A value cannot be accepted"), _("See the errors."), list(_flatten(error.detail)), kind="invalid")
    return Problem(error.status_code, HTTPStatus(error.status_code).phrase, _plain(error.detail))


def _plain(detail: object) -> str:
    return str(detail) if not isinstance(detail, (list, dict)) else " ".join(message for _pointer, message in _flatten(detail))


def _flatten(detail: object, pointer: str = "") -> list[tuple[str, str]]:
    if isinstance(detail, Mapping):
        return [pair for key, value in detail.items() for pair in _flatten(value, pointer if key == "non_field_errors" else f"{pointer}/{key}")]
    if isinstance(detail, list):
        nested = any(isinstance(item, (Mapping, list)) for item in detail)
        return [pair for place, item in enumerate(detail) for pair in _flatten(item, f"{pointer}/{place}" if nested else pointer)]
    return [(pointer, str(detail))]
