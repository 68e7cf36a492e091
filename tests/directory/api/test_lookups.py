"""POST /api/v1/lookups: up to a thousand addresses, in their order."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from directory.models import ApiToken, Change, DirectoryEvent, Organization
from tests.directory.conftest import Publisher, bearer
from tests.pki import Usage as KeyUse

URL = "/api/v1/lookups"
TokenMaker = Callable[..., tuple[ApiToken, str]]


def post(client: Client, body: object, token: str = "", content_type: str = "application/json") -> HttpResponse:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return client.post(URL, data, content_type=content_type, headers=bearer(token) if token else None)  # type: ignore[return-value]


def results(response: HttpResponse) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    found: list[dict[str, Any]] = orjson.loads(response.content)["results"]
    return found


def test_it_answers_in_order_with_malformed_ones_in_their_place(client: Client, published: Publisher) -> None:
    alice, bob = published("alice@example.com"), published("bob@example.com", "rsa2048")
    emails = ["bob@example.com", "nonsense", "charlie@example.com", "Alice@Example.com", "bob@example.com"]
    found = results(post(client, {"emails": emails}))
    assert [(entry["email"], entry["status"]) for entry in found] == [
        ("bob@example.com", "found"),
        ("nonsense", "malformed"),
        ("charlie@example.com", "none"),
        ("Alice@example.com", "found"),
        ("bob@example.com", "found"),
    ]
    assert found[3]["certificates"][0]["fingerprint"] == alice.fingerprint
    assert found[0] == found[4]
    assert found[0]["certificates"][0]["fingerprint"] == bob.fingerprint
    assert found[1] == {"email": "nonsense", "status": "malformed"}


def test_each_result_is_what_a_single_look_up_says(client: Client, published: Publisher) -> None:
    published("alice@example.com")
    for email in ("alice@example.com", "charlie@example.com"):
        single = client.get("/api/v1/certificates", {"email": email})
        assert results(post(client, {"emails": [email]})) == [orjson.loads(single.content)]


def test_fields_leave_the_rest_out(client: Client, published: Publisher) -> None:
    published("alice@example.com")
    emails = ["alice@example.com", "charlie@example.com"]
    assert results(post(client, {"emails": emails, "fields": ["status"]})) == [
        {"email": "alice@example.com", "status": "found"},
        {"email": "charlie@example.com", "status": "none"},
    ]
    alone = results(post(client, {"emails": emails, "fields": ["certificates"]}))
    assert [set(entry) for entry in alone] == [{"email", "certificates"}] * 2
    assert (len(alone[0]["certificates"]), alone[1]["certificates"]) == (1, [])


def test_a_thousand_at_once_for_a_token(client: Client, published: Publisher, bank: Organization, token_of: TokenMaker) -> None:
    _token, text = token_of(bank)
    published("user7@example.com")
    found = results(post(client, {"emails": [f"user{number}@example.com" for number in range(1000)]}, text))
    assert [entry["email"] for entry in found if entry["status"] == "found"] == ["user7@example.com"]
    assert [entry["email"] for entry in found] == [f"user{number}@example.com" for number in range(1000)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, "/emails"),
        ({"emails": []}, "/emails"),
        ({"emails": "alice@example.com"}, "/emails"),
        ({"emails": ["a@example.com"] * 1001}, "/emails"),
        ({"emails": ["a@example.com", 7]}, "/emails/1"),
        ({"emails": ["a@example.com"], "fields": ["everything"]}, "/fields"),
        ({"emails": ["a@example.com"], "fields": []}, "/fields"),
        ({"emails": ["a@example.com"], "fields": [["status"]]}, "/fields"),
        ({"emails": ["a@example.com"], "invite": "yes"}, "/invite"),
    ],
)
def test_a_wrong_body_is_named_by_pointer(client: Client, db: None, body: object, pointer: str) -> None:  # noqa: ARG001 - the database
    response = post(client, body)
    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert orjson.loads(response.content)["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"emails": ["\xff"]}', b"[" * 5000, b'{"emails": [NaN]}', b'{"emails": ["\\ud800@example.com"]}']
)
def test_what_is_not_json_is_a_bad_request(client: Client, db: None, body: bytes) -> None:  # noqa: ARG001 - the database
    response = post(client, body)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_too_much_and_the_wrong_kind_are_refused(client: Client, db: None) -> None:  # noqa: ARG001 - the database
    assert post(client, b'{"emails": ["' + b"a" * 1024 * 1024 + b'"]}').status_code == 413
    response = post(client, b"emails=a@example.com", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response["Content-Type"]) == (415, "application/problem+json")


def test_strange_texts_come_back_as_malformed_and_no_longer_than_an_address(client: Client, db: None) -> None:  # noqa: ARG001
    found = results(post(client, {"emails": ['"', "\\", "\x00", "\n", "x" * 5000, "a\N{RIGHT-TO-LEFT OVERRIDE}@example.com"]}))
    assert [entry["status"] for entry in found] == ["malformed"] * 6
    assert [entry["email"] for entry in found[:4]] == ['"', "\\", "\x00", "\n"]
    assert found[4]["email"] == "x" * 320


class TestInviting:
    """Misses are left for the mailer, whatever becomes of them."""

    def test_each_miss_is_considered_and_left_as_a_change(
        self, client: Client, published: Publisher, bank: Organization, token_of: TokenMaker
    ) -> None:
        token, text = token_of(bank, "lookup", "invite")
        published("alice@example.com")
        published("signer@example.com", usage=KeyUse.SIGN)
        Change.objects.all().delete()
        emails = ["alice@example.com", "Bob@example.com", "signer@example.com", "nonsense", "bob@example.com"]
        found = results(post(client, {"emails": emails, "invite": True, "fields": ["status"]}, text))
        assert [entry.get("invitation") for entry in found] == [None, "considered", "considered", None, "considered"]
        rows = Change.objects.order_by("match").values_list("kind", "match", "organization", "actor", "done_at")
        assert list(rows) == [
            ("invite", "bob@example.com", bank.pk, f"token:{token.prefix}", None),
            ("invite", "signer@example.com", bank.pk, f"token:{token.prefix}", None),
        ]
        event = DirectoryEvent.objects.get(verb="invitations.asked")
        assert (event.actor, event.organization, event.detail) == (f"token:{token.prefix}", bank, {"count": 2})

    def test_what_waits_already_is_not_asked_twice(self, client: Client, bank: Organization, shop: Organization, token_of: TokenMaker) -> None:
        body = {"emails": ["bob@example.com"], "invite": True}
        for organization, count in ((bank, 1), (bank, 1), (shop, 2)):
            _token, text = token_of(organization, "lookup", "invite")
            assert results(post(client, body, text))[0]["invitation"] == "considered"
            assert Change.objects.count() == count

    def test_it_says_the_same_with_certificates(self, client: Client, bank: Organization, token_of: TokenMaker) -> None:
        _token, text = token_of(bank, "lookup", "invite")
        assert results(post(client, {"emails": ["bob@example.com"], "invite": True}, text)) == [
            {"email": "bob@example.com", "invitation": "considered", "status": "none", "certificates": []}
        ]

    def test_without_the_scope_or_a_token_nobody_is_invited(self, client: Client, bank: Organization, token_of: TokenMaker) -> None:
        _token, text = token_of(bank, "lookup")
        body = {"emails": ["bob@example.com"], "invite": True}
        assert post(client, body, text).status_code == 403
        anonymous = post(client, body)
        assert (anonymous.status_code, anonymous["WWW-Authenticate"]) == (401, 'Bearer realm="Letterlock"')
        assert not Change.objects.exists()
