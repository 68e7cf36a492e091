"""No mailed secret stands in a log record, whatever the answer was and whoever asked."""

import logging
from collections.abc import Iterator, Sequence

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.log_words import WithoutSecrets, without_secrets

pytestmark = pytest.mark.django_db
SECRET = "Zk3-Live_secret-of-Dora-0123456789abcdefghij"


def with_a_secret(patterns: Sequence[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from with_a_secret(pattern.url_patterns)
        elif "secret" in pattern.pattern.converters:
            assert pattern.name
            yield pattern.name


NAMES = sorted(with_a_secret(get_resolver().url_patterns))


def held(records: Sequence[logging.LogRecord]) -> list[str]:
    """Everything a handler could write of them."""
    paths = [getattr(getattr(record, "request", None), "path", "") for record in records]
    return [record.getMessage() for record in records] + [repr((record.msg, record.args)) for record in records] + paths


def test_there_are_such_pages() -> None:
    assert {"publication", "replacement", "invitation", "consent", "owner", "owner-still-mine", "confirm"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_refusal_puts_the_secret_into_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not found, method not allowed, a forged form; and as a mail program mangled it."""
    path, room = reverse(name, args=[SECRET]), reverse(name, args=[SECRET]).split(SECRET)[0]
    refused = [
        Client().get(path),
        Client().put(path),
        Client(enforce_csrf_checks=True).post(path),
        Client().get(f"{path}nothing/"),
        Client().get(f"{room.upper()}{SECRET}/"),
        Client().get(f"{room}/{SECRET}."),
        Client().get(f"{room}{SECRET}=3D"),
    ]
    assert [answer.status_code for answer in refused if answer.status_code >= 400], "something was logged"
    assert caplog.records
    assert not [words for words in held(caplog.records) if SECRET in words]
    assert any(f"{room}…" in record.getMessage() for record in caplog.records), "the page is still named"


def test_gunicorn_is_told_as_well(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("gunicorn.error")
    logger.addHandler(caplog.handler)
    try:
        logger.error("Error handling request %s", f"/mailbox/{SECRET}/erase/?x=1")
    finally:
        logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"Error handling request /mailbox/…/erase/?x=1"}


def test_what_goes_to_the_log_passes_the_filter() -> None:
    """Whatever logger a path comes by."""
    ours = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    assert ours
    assert all(any(isinstance(one, WithoutSecrets) for one in handler.filters) for handler in ours)


@pytest.mark.parametrize("words", ["Not Found: /certificates/abc/", "42 looked up", "mailbox is full", "/mailbox/", "Forbidden: /accounts/login/"])
def test_other_words_stay(words: str) -> None:
    assert without_secrets(words) == words
