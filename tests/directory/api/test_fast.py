"""The fast path in front of Django: the same answers for the same requests, and plain ones without Django."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction
from pytest_django import Settings

from directory import answers, counts, publishing
from directory.api.fast import reading
from directory.api.fast.application import in_front_of
from directory.models import Answer, ApiToken, LookupCount, Mailbox, Organization
from directory.tokens import find_known_token
from tests.directory.api.wsgi import Backend, Told, asking, call
from tests.directory.conftest import ALICE, CHARLIE, Publisher

pytestmark = pytest.mark.django_db(transaction=True)
ONE, MANY = "/api/v1/certificates", "/api/v1/lookups"
ALICES, NOBODYS = "alice@example.com", "nobody@example.com"
TokenMaker = Callable[..., tuple[ApiToken, str]]
# Written by Django's middleware for texts in a language, of which plain answers have none.
OF_LANGUAGE = {"Content-Language", "Vary"}


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    settings.ALLOWED_HOSTS = ["testserver"]
    counts.forget()
    yield Backend(WSGIHandler())
    reading.close()
    counts.forget()


@pytest.fixture
def asked(backend: Backend, settings: Settings) -> Callable[..., Told]:
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 10_000
    application = in_front_of(backend)
    return lambda *arguments, **environ: call(application, *arguments, **environ)


def batch(*emails: str, **more: object) -> bytes:
    return orjson.dumps({"emails": emails, **more})


def same(fast: Told, slow: Told) -> None:
    assert (fast.status, fast.body) == (slow.status, slow.body)
    # A 304 tells no length, and Django's of nothing.
    apart = OF_LANGUAGE | ({"Content-Length"} if fast.status == 304 else set())
    ours, djangos = ({name: value for name, value in told.headers.items() if name not in apart} for told in (fast, slow))
    assert ours == djangos
    assert "Accept" in fast.headers.get("Vary", "") or "Vary" not in fast.headers


PLAIN: list[tuple[str, str, str, bytes, dict[str, str]]] = [
    ("GET", ONE, asking(ALICES), b"", {}),
    ("GET", ONE, asking(NOBODYS), b"", {}),
    ("GET", ONE, asking("ALICE@Example.com"), b"", {}),
    ("GET", ONE, "email=alice%40example.com", b"", {}),
    ("GET", ONE, asking("alice+tag@example.com"), b"", {}),
    ("GET", ONE, asking(ALICES, usage="encrypt", receipt="0", other="1"), b"", {}),
    ("GET", ONE, f"email={NOBODYS}&email={ALICES}", b"", {}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_ACCEPT": "application/json"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_ACCEPT": "text/html, */*;q=0.8"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_IF_NONE_MATCH": "*"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_IF_NONE_MATCH": '"x"'}),
    ("HEAD", ONE, asking(ALICES), b"", {}),
    ("GET", ONE, asking("δοκιμή@example.com"), b"", {}),
    ("POST", MANY, "", batch(ALICES, NOBODYS, ALICES, "two@example.com"), {}),
    ("POST", MANY, "", batch("Alice@Example.com", NOBODYS), {}),
    ("POST", MANY, "", batch(ALICES, NOBODYS, fields=["status"]), {}),
    ("POST", MANY, "", batch(ALICES, NOBODYS, fields=["certificates"]), {}),
    ("POST", MANY, "", batch(ALICES, "nonsense", "x\ny", NOBODYS, "é" * 400), {}),
    ("POST", MANY, "", batch("nonsense", ALICES, fields=["certificates"]), {}),
    ("POST", MANY, "", batch("alice@example.com\nbob@example.com", ALICES), {}),
    ("POST", MANY, "", batch("nonsense", fields=["status"]), {}),
    ("POST", MANY, "", batch(ALICES, fields=["certificates", "status"]), {"CONTENT_TYPE": "application/json; charset=utf-8"}),
]
OTHER: list[tuple[str, str, str, bytes, dict[str, str]]] = [
    ("GET", ONE, asking(ALICES, usage="sign"), b"", {}),
    ("GET", ONE, asking(ALICES, receipt="1"), b"", {}),
    ("GET", ONE, asking(ALICES, at="2020-01-01T00:00:00Z"), b"", {}),
    ("GET", ONE, asking(ALICES, at="never"), b"", {}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_ACCEPT": "application/pkix-cert"}),
    ("GET", ONE, asking(NOBODYS), b"", {"HTTP_ACCEPT": "application/pkix-cert"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_ACCEPT": "image/png"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_ACCEPT": "image/png", "HTTP_ACCEPT_LANGUAGE": "zh-hans"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_AUTHORIZATION": "Bearer x"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_HOST": "evil.example"}),
    ("GET", ONE, asking(ALICES), b"", {"HTTP_TRANSFER_ENCODING": "chunked"}),
    ("GET", ONE, "", b"", {}),
    ("GET", ONE, asking("alice@"), b"", {}),
    ("GET", ONE, asking("alice@example.com\nbob@example.com"), b"", {}),
    ("GET", ONE, asking("alice@example.com\0"), b"", {}),
    ("GET", ONE, "email=alice+tag@example.com", b"", {}),
    ("POST", ONE, "", b"", {}),
    ("OPTIONS", ONE, "", b"", {}),
    ("GET", MANY, "", b"", {}),
    ("OPTIONS", MANY, "", b"", {}),
    ("POST", MANY, "", batch(), {}),
    ("POST", MANY, "", batch(ALICES, invite=True), {}),
    ("POST", MANY, "", batch(ALICES, fields=["everything"]), {}),
    ("POST", MANY, "", b"{", {}),
    ("POST", MANY, "", batch(ALICES), {"CONTENT_TYPE": "text/plain"}),
    ("POST", MANY, "", batch(ALICES), {"CONTENT_LENGTH": "2000000"}),
    ("POST", MANY, "", batch(ALICES), {"CONTENT_LENGTH": "x"}),
    ("GET", "/api/v1/nothing", "", b"", {}),
]


@pytest.fixture
def entries(published: Publisher) -> None:
    """Alice has one certificate, another mailbox two, and one is hidden."""
    published(ALICES, "rsa2048")
    for level in ("V1", "V4"):
        published("two@example.com", level=level, actor=CHARLIE)


@pytest.mark.parametrize("requests", [PLAIN, OTHER], ids=["plain", "other"])
def test_both_ways_answer_alike(entries: None, asked: Callable[..., Told], backend: Backend, requests: list[Any]) -> None:  # noqa: ARG001
    for method, path, query, body, environ in requests:
        backend.asked = 0
        fast = asked(method, path, query, body, **environ)
        assert backend.asked == (0 if requests is PLAIN else 1), (method, path, query, body, environ)
        same(fast, call(backend.django, method, path, query, body, **environ))


def numbered(query: str) -> str:
    """The query as PostgreSQL has it prepared."""
    first, *rest = query.split("%s")
    return first + "".join(f"${place}{part}" for place, part in enumerate(rest, 1))


def test_none_and_hidden_are_one_query_and_the_same_bytes(published: Publisher, asked: Callable[..., Told], at: datetime, monkeypatch: Any) -> None:
    """Not of a kind: the very text, plan, bytes and headers."""
    hidden = published("hide@example.com").mailbox
    publishing.hide(mailbox=hidden, actor=ALICE, at=at)
    runs: list[tuple[object, ...]] = []
    fetch = reading.fetch

    def watched(query: Any, parameters: Any, /) -> Any:
        rows = fetch(query, parameters)
        # The plan of the prepared query, in which the address is a parameter.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(f"PREPARE look AS {numbered(query)}")
            cursor.execute(f"EXPLAIN (COSTS OFF) EXECUTE look ({', '.join(['%s'] * len(parameters))})", parameters)
            runs.append((query, cursor.fetchall(), rows))
            cursor.execute("DEALLOCATE look")
        return rows

    monkeypatch.setattr("directory.api.fast.plain.fetch", watched)
    for method, path in (("GET", ONE), ("POST", MANY)):
        told = [
            asked(method, path, asking(email) if method == "GET" else "", b"" if method == "GET" else batch(email))
            for email in ("hide@example.com", "none@example.com")
        ]
        assert told[0].body.replace(b"hide", b"none") == told[1].body
        assert told[0].headers == told[1].headers
        assert told[0].status == told[1].status == 200
        assert runs[0] == runs[1]
        runs.clear()


def test_it_stays_away_from_django_with_a_token_too(
    entries: None,  # noqa: ARG001
    asked: Callable[..., Told],
    backend: Backend,
    bank: Organization,
    token_of: TokenMaker,
) -> None:
    token, text = token_of(bank)
    told = [asked("GET", ONE, asking(ALICES), HTTP_AUTHORIZATION=f"Bearer {text}") for _ in range(3)]
    assert [each.status for each in told] == [200] * 3
    assert backend.asked == 1  # which read the token
    counts.flush()
    count = LookupCount.objects.get()
    assert (count.organization_id, count.lookups, count.found) == (bank.pk, 3, 3)
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_a_revoked_token_ends_within_five_seconds_in_a_process_that_knows_it(
    asked: Callable[..., Told], backend: Backend, bank: Organization, token_of: TokenMaker
) -> None:
    _token, text = token_of(bank)
    find_known_token(text, at=datetime.now(UTC))
    assert asked("GET", ONE, asking(ALICES), HTTP_AUTHORIZATION=f"Bearer {text}").status == 200
    assert backend.asked == 0
    ApiToken.objects.update(revoked_at=datetime.now(UTC))  # as another process does
    find_known_token(text, at=datetime.now(UTC))  # still known
    from directory import tokens  # noqa: PLC0415 - its memory, which is aged here

    tokens._known = {digest: (token, until - timedelta(seconds=5)) for digest, (token, until) in tokens._known.items()}
    for _ in range(2):
        assert asked("GET", ONE, asking(ALICES), HTTP_AUTHORIZATION=f"Bearer {text}").status == 401


@pytest.mark.parametrize("scopes", [("send",), ("invite", "publish")])
def test_a_token_without_the_scope_is_refused_when_it_is_known_too(
    asked: Callable[..., Told], bank: Organization, token_of: TokenMaker, scopes: tuple[str, ...]
) -> None:
    _token, text = token_of(bank, *scopes)
    for _ in range(2):
        assert asked("GET", ONE, asking(ALICES), HTTP_AUTHORIZATION=f"Bearer {text}").status == 403
        assert asked("POST", MANY, "", batch(ALICES), HTTP_AUTHORIZATION=f"Bearer {text}").status == 403


def test_an_overdue_answer_is_left_to_django_and_counted_once(
    published: Publisher, asked: Callable[..., Told], backend: Backend, settings: Settings, at: datetime
) -> None:
    certificate = published(ALICES)
    Answer.objects.update(changes_at=at - timedelta(seconds=1))
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 3
    first, second = asked("GET", ONE, asking(ALICES)), asked("POST", MANY, "", batch(ALICES, ALICES))
    assert (first.status, second.status, backend.asked) == (200, 200, 2)
    assert orjson.loads(first.body)["certificates"][0]["fingerprint"] == certificate.fingerprint
    assert orjson.loads(second.body)["results"] == [orjson.loads(first.body)] * 2
    refused = asked("GET", ONE, asking(ALICES))
    assert (refused.status, int(refused.headers["Retry-After"]) > 0) == (429, True)
    counts.flush()
    count = LookupCount.objects.get()
    assert (count.organization_id, count.lookups, count.found) == (None, 3, 3)


@pytest.mark.parametrize("damage", ["UPDATE directory_certificate SET der = ''", "DELETE FROM directory_certificate"])
def test_no_answer_has_an_empty_certificate(published: Publisher, asked: Callable[..., Told], damage: str) -> None:
    """Though somebody changed the rows by hand and prepared nothing."""
    published(ALICES)
    published(ALICES, level="V4")
    whole = asked("GET", ONE, asking(ALICES))
    with connection.cursor() as cursor:
        cursor.execute(f"{damage} WHERE level = 'V4'")
    for told in (asked("GET", ONE, asking(ALICES)).body, asked("POST", MANY, "", batch(ALICES)).body):
        assert told != whole.body
        assert b'"der":""' not in told
        assert b'"status":"found"' in told


def test_https_is_asked_for_where_it_is_set(asked: Callable[..., Told], backend: Backend, settings: Settings, entries: None) -> None:  # noqa: ARG001
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 1000
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    secure = Backend(WSGIHandler())
    application = in_front_of(secure)
    plain = call(application, "GET", ONE, asking(ALICES))
    assert (plain.status, plain.headers["Location"]) == (301, f"https://testserver{ONE}?{asking(ALICES)}")
    assert call(application, "GET", ONE, asking(ALICES), HTTP_X_FORWARDED_PROTO="http").status == 301
    behind = call(application, "GET", ONE, asking(ALICES), HTTP_X_FORWARDED_PROTO="https")
    assert (behind.status, behind.headers["Strict-Transport-Security"], secure.asked) == (200, "max-age=1000", 2)
    same(behind, call(secure.django, "GET", ONE, asking(ALICES), HTTP_X_FORWARDED_PROTO="https"))


def test_a_connection_that_was_dropped_is_not_noticed(entries: None, asked: Callable[..., Told], backend: Backend) -> None:  # noqa: ARG001
    assert asked("GET", ONE, asking(ALICES)).status == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'letterlock look-up'")
        assert cursor.fetchone() == (1,)
    assert (asked("GET", ONE, asking(ALICES)).status, backend.asked) == (200, 0)


def test_a_fault_of_the_fast_path_is_logged_and_django_answers(
    entries: None,  # noqa: ARG001
    asked: Callable[..., Told],
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr("directory.api.fast.plain.fetch", fail)
    assert (asked("GET", ONE, asking(ALICES)).status, backend.asked) == (200, 1)
    assert "ZeroDivisionError" in caplog.text


def test_a_name_cannot_pass_for_a_cut(published: Publisher, asked: Callable[..., Told], at: datetime) -> None:
    """What a certificate says of its holder stands in the JSON between the places of the DER."""
    certificate = published(ALICES)
    certificate.name = 'x","der":"","der":"'
    certificate.save()
    answers.prepare(Mailbox.objects.get(), at=at)
    found = orjson.loads(asked("GET", ONE, asking(ALICES)).body)["certificates"]
    assert [(entry["identity"]["name"], len(entry["der"]) > 100) for entry in found] == [(certificate.name, True)]
