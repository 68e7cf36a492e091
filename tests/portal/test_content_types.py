"""A Content-Type that cannot be read is refused at every address, before anything reads the body, and nothing of it goes into a log."""

import logging

import pytest
from django.core.handlers.wsgi import WSGIHandler

from directory import counts
from directory.api.fast import reading
from directory.api.fast.application import in_front_of
from portal.content_types import in_front_of as refusing
from tests.directory.api.wsgi import Told, call

pytestmark = pytest.mark.django_db(transaction=True)
HEADERS = [
    "a/b; a*=foo''%41",
    "a/b; a*=''%41; b*=\x00''%41",
    "application/json; charset*=utf-8''a%00b",
    "text/plain; charset=rot13",
    "text/plain; charset=idna",
    "application/x-www-form-urlencoded; charset=base64",
]
ASKED = [
    ("GET", "/api/v1/certificates", "email=alice@example.com"),
    ("POST", "/api/v1/lookups", ""),
    ("POST", "/api/v1/contributions", ""),
    ("GET", "/", ""),
    ("GET", "/lookup", "email=alice@example.com"),
    ("POST", "/mailbox/", ""),
    ("POST", "/accounts/login/", ""),
]


def ask(method: str, path: str, query: str, header: str) -> Told:
    django = WSGIHandler()
    body = b'{"emails": ["alice@example.com"]}' if method == "POST" else b""
    try:
        return call(refusing(in_front_of(django), django), method, path, query, body, CONTENT_TYPE=header)
    finally:
        reading.close()
        counts.forget()


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(("method", "path", "query"), ASKED)
def test_it_is_refused_at_every_address(method: str, path: str, query: str, header: str, caplog: pytest.LogCaptureFixture) -> None:
    told = ask(method, path, query, header)
    assert told.status == 400
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    assert told.headers["Content-Type"].startswith("application/problem+json" if path.startswith("/api/") else "text/html")
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=nope",
        "application/json; a*=utf-8''%41",
        "a/b;;=;",
        "a/b; charset=",
    ],
)
def test_what_can_be_read_goes_on(header: str) -> None:
    assert ask("GET", "/api/v1/certificates", "email=alice@example.com", header).status == 200


def test_the_mark_cannot_be_sent_from_outside() -> None:
    django = WSGIHandler()
    assert call(refusing(django, django), "GET", "/", HTTP_PORTAL_UNREADABLE_CONTENT_TYPE="1").status == 200
