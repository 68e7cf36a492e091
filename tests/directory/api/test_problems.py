"""Every error of the API is a problem document, and says nothing of the inside."""

import orjson
import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.http.response import HttpResponseBase
from django.test import Client
from rest_framework import exceptions

from directory.api import lookups
from directory.api.problems import Problem, handle_exception
from directory.errors import DirectoryError, RevokedCertificateError
from directory.explanations import _WORDS, explain
from directory.x509.errors import CertificateTooLargeError, WeakKeyError, X509Error
from tests.directory.conftest import Publisher


def document(response: HttpResponseBase) -> dict[str, object]:
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    found: dict[str, object] = orjson.loads(b"".join(response))
    assert set(found) >= {"type", "title", "status", "detail"}
    assert found["status"] == response.status_code
    assert found["title"]
    return found


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Problem(409, "Taken"), 409),
        (WeakKeyError("weak"), 422),
        (CertificateTooLargeError("large"), 413),
        (RevokedCertificateError("revoked"), 422),
        (Http404("no such secret row"), 404),
        (PermissionDenied("inside"), 403),
        (RequestDataTooBig("inside"), 413),
        (SuspiciousOperation("inside"), 400),
        (exceptions.ParseError(), 400),
        (exceptions.NotAuthenticated(), 401),
        (exceptions.AuthenticationFailed(), 401),
        (exceptions.PermissionDenied(), 403),
        (exceptions.NotFound(), 404),
        (exceptions.MethodNotAllowed("PUT"), 405),
        (exceptions.NotAcceptable(), 406),
        (exceptions.UnsupportedMediaType("text/plain"), 415),
        (exceptions.ValidationError({"to": ["Bad."]}), 422),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    response = handle_exception(error, {})
    assert response.status_code == status
    assert "inside" not in str(document(response))
    assert "secret" not in str(document(response))


def test_wrong_values_are_named_by_pointer() -> None:
    error = exceptions.ValidationError({"messages": [{}, {"to": ["Bad.", "Worse."]}], "non_field_errors": ["Both."]})
    assert document(handle_exception(error, {}))["errors"] == [
        {"pointer": "/messages/1/to", "detail": "Bad."},
        {"pointer": "/messages/1/to", "detail": "Worse."},
        {"pointer": "", "detail": "Both."},
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("delete", "/api/v1/lookups", 405),
        ("get", "/api/v1/lookups", 405),
        ("post", "/api/v1/certificates", 405),
        ("get", "/api/v1/nothing", 404),
        ("get", "/api/", 404),
    ],
)
def test_wrong_methods_and_paths(client: Client, db: None, method: str, path: str, status: int) -> None:  # noqa: ARG001 - the database
    response = getattr(client, method)(path)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    if status == 405:
        assert response["Allow"]


def test_what_cannot_be_accepted_is_a_problem_too(client: Client, db: None) -> None:  # noqa: ARG001 - the database
    response = client.get("/api/v1/certificates", {"email": "alice@example.com"}, headers={"Accept": "image/png"})
    assert response.status_code == 406
    document(response)


def test_a_fault_of_ours_is_logged_and_says_nothing(published: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    published("alice@example.com")

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr(lookups, "read_answer", fail)
    client = Client(raise_request_exception=False)
    response = client.get("/api/v1/certificates", {"email": "alice@example.com"})
    assert response.status_code == 500
    assert "inside" not in str(document(response))
    assert "ZeroDivisionError" in caplog.text


def subclasses(base: type[Exception]) -> set[type[Exception]]:
    return {kind for child in base.__subclasses__() for kind in {child, *subclasses(child)}}


@pytest.mark.parametrize("base", [X509Error, DirectoryError])
def test_every_named_error_has_words_of_its_own(base: type[Exception]) -> None:
    leaves = {kind for kind in subclasses(base) if not kind.__subclasses__() and kind.__module__.startswith("directory.")}
    assert len(leaves) >= 7
    for kind in leaves:
        error = kind.__new__(kind, "x")
        assert isinstance(error, (X509Error, DirectoryError))
        assert error.code in _WORDS, kind
        assert explain(error)
    codes = [str(kind.__dict__["code"]) for kind in leaves]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("path", ["lookups", "messages", "publications"])
def test_a_body_in_chunks_is_asked_for_whole(client: Client, path: str) -> None:
    """Django reads no body without a length: what was sent would be answered as if it were empty."""
    response = client.generic("POST", f"/api/v1/{path}", headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 411
    assert "Content-Length" in str(document(response)["detail"])


@pytest.mark.django_db
def test_a_media_type_is_asked_for_by_accept_alone(client: Client) -> None:
    assert client.get("/api/v1/certificates", {"email": "dora@example.com", "format": "xml"}).status_code == 200
