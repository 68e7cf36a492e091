"""GET /api/v1/certificates: one address, everything that api clients rely on."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from directory import answers, publishing
from directory.lookup import look_up
from directory.selection import Usage
from directory.x509.names import EmailAddress
from tests.directory.conftest import ALICE, Publisher
from tests.pki import Usage as KeyUse

URL = "/api/v1/certificates"
ALICES = "alice@example.com"


def ask(client: Client, email: str = ALICES, *, headers: dict[str, str] | None = None, **query: str) -> HttpResponse:
    return client.get(URL, {"email": email, **query}, headers=headers)  # type: ignore[return-value]


def body(response: HttpResponse) -> Any:
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    return orjson.loads(response.content)


def test_it_answers_with_the_selected_certificate(client: Client, published: Publisher) -> None:
    certificate = published(ALICES, "rsa2048")
    found = body(ask(client))
    assert (found["email"], found["status"]) == (ALICES, "found")
    assert [(entry["fingerprint"], entry["selected"]) for entry in found["certificates"]] == [(certificate.fingerprint, True)]


def test_it_echoes_the_address_as_asked_and_matches_it_folded(client: Client, published: Publisher) -> None:
    published("Alice@example.com")
    for asked, echoed in (("ALICE@EXAMPLE.COM", "ALICE@example.com"), ("alice@example.com", "alice@example.com")):
        found = body(ask(client, asked))
        assert (found["email"], found["status"]) == (echoed, "found")


def test_an_unknown_address_is_an_answer_too(client: Client, db: None) -> None:  # noqa: ARG001 - the database
    response = ask(client, "charlie@example.com")
    assert response.content == b'{"email":"charlie@example.com","status":"none","certificates":[]}'


def test_charlie_cannot_tell_hidden_from_none(client: Client, published: Publisher, at: datetime) -> None:
    certificate = published(ALICES, when=at - timedelta(days=1))
    publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=at)
    past = (at - timedelta(hours=1)).isoformat()
    queries: tuple[dict[str, str], ...] = ({}, {"receipt": "1"}, {"usage": "sign"}, {"at": past}, {"at": past, "receipt": "1"})
    for query in queries:
        hidden, none = (client.get(URL, {"email": email, **query}) for email in (ALICES, "nobody@example.com"))
        assert hidden.status_code == none.status_code == 200
        assert hidden.content.replace(ALICES.encode(), b"nobody@example.com") == none.content
        assert [hidden[name] for name in ("ETag", "Cache-Control", "Vary", "Content-Type")] == [
            none[name] for name in ("ETag", "Cache-Control", "Vary", "Content-Type")
        ]


def test_addresses_are_exact_and_tags_are_part_of_them(client: Client, published: Publisher) -> None:
    published(ALICES)
    for other in ("alice+tag@example.com", "a*@example.com", "alic@example.com", "alice@sub.example.com"):
        assert body(ask(client, other))["status"] == "none"


@pytest.mark.parametrize(
    "bad", ["", "alice", "alice@localhost", "<script>@example.com", "a@b@example.com", "alice@example.com\x00", "\r\nX: y@example.com"]
)
def test_a_malformed_address_is_a_problem(client: Client, db: None, bad: str) -> None:  # noqa: ARG001 - the database
    response = ask(client, bad)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    problem = orjson.loads(response.content)
    assert problem["type"].endswith("#problem-malformed-address")
    assert problem["status"] == 422
    assert "X" not in response.headers


def test_the_address_must_be_there(client: Client, db: None) -> None:  # noqa: ARG001 - the database
    response = client.get(URL)
    assert response.status_code == 422
    assert orjson.loads(response.content)["errors"][0]["pointer"] == "/email"


def test_it_keeps_usages_apart(client: Client, published: Publisher) -> None:
    signing, encrypting = published(ALICES, usage=KeyUse.SIGN), published(ALICES, usage=KeyUse.ENCRYPT)
    assert [entry["fingerprint"] for entry in body(ask(client))["certificates"]] == [encrypting.fingerprint]
    assert [entry["fingerprint"] for entry in body(ask(client, usage="encrypt"))["certificates"]] == [encrypting.fingerprint]
    assert [entry["fingerprint"] for entry in body(ask(client, usage="sign"))["certificates"]] == [signing.fingerprint]
    assert ask(client, usage="both").status_code == 422


def test_a_receipt_says_of_each_candidate_why(client: Client, published: Publisher, at: datetime) -> None:
    chosen, low, gone = published(ALICES, level="V4"), published(ALICES), published(ALICES)
    signing = published(ALICES, usage=KeyUse.SIGN)
    publishing.revoke(certificate=gone, reason="keyCompromise", actor=ALICE, at=at)
    found = body(ask(client, receipt="1"))
    assert {line["fingerprint"]: (line["accepted"], line["reason"]) for line in found["receipt"]} == {
        chosen.fingerprint: (True, "selected"),
        low.fingerprint: (True, "lower_level"),
        gone.fingerprint: (False, "revoked"),
        signing.fingerprint: (False, "usage"),
    }
    assert "receipt" not in body(ask(client))


def test_it_answers_for_a_past_moment(client: Client, published: Publisher, at: datetime) -> None:
    certificate = published(ALICES, days=(-30, 30), when=at - timedelta(days=10))
    publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at - timedelta(days=5))

    def status(days: float) -> str:
        return str(body(ask(client, at=(at - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")))["status"])

    assert [status(days) for days in (11, 10, 7, 5, 1)] == ["none", "found", "found", "none", "none"]


def test_a_past_moment_may_have_any_offset(client: Client, published: Publisher, at: datetime) -> None:
    published(ALICES, when=at - timedelta(hours=1))
    # The plus sign unescaped, as it is often sent.
    response = client.get(f"{URL}?email={ALICES}&at={(at + timedelta(hours=2)).strftime('%Y-%m-%dT%H:%M:%S')}+02:30")
    assert orjson.loads(response.content)["status"] == "found"


@pytest.mark.parametrize(
    "bad", ["yesterday", "2026-11-25", "2026-11-25T12:00:00", "2999-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", ""]
)
def test_a_moment_must_be_a_past_time_with_its_offset(client: Client, db: None, bad: str) -> None:  # noqa: ARG001 - the database
    response = ask(client, at=bad)
    assert response.status_code == 422
    assert orjson.loads(response.content)["errors"][0]["pointer"] == "/at"


def test_it_gives_the_der_alone(client: Client, published: Publisher) -> None:
    published(ALICES, level="V1")
    chosen = published(ALICES, "rsa2048", level="V4")
    response = ask(client, headers={"Accept": "application/pkix-cert"})
    assert (response.status_code, response["Content-Type"]) == (200, "application/pkix-cert")
    assert response.content == bytes(chosen.der)
    assert "Accept" in response["Vary"]


def test_no_der_is_404_and_still_a_problem_document(client: Client, published: Publisher) -> None:
    published(ALICES, usage=KeyUse.SIGN)
    response = ask(client, headers={"Accept": "application/pkix-cert"})
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert ask(client, usage="sign", headers={"Accept": "application/pkix-cert"}).status_code == 200


def test_it_can_be_kept_and_asked_for_again(client: Client, published: Publisher, at: datetime) -> None:
    certificate = published(ALICES)
    first = ask(client)
    assert first["Cache-Control"] == "public, max-age=60"
    again = ask(client, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert ask(client, headers={"If-None-Match": f'"other", W/{first["ETag"]}'}).status_code == 304
    publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at)
    after = ask(client, headers={"If-None-Match": first["ETag"]})
    assert (after.status_code, orjson.loads(after.content)["status"]) == (200, "none")
    assert after["ETag"] != first["ETag"]


def test_it_is_not_kept_past_its_change(client: Client, published: Publisher, at: datetime) -> None:
    certificate = published(ALICES)
    certificate.not_after = at + timedelta(seconds=20)
    certificate.save()
    answers.prepare(certificate.mailbox, at=at)
    assert int(ask(client)["Cache-Control"].rpartition("=")[2]) <= 20


def test_head_has_the_same_headers(client: Client, published: Publisher) -> None:
    published(ALICES)
    head, full = client.head(URL, {"email": ALICES}), ask(client)
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", full["ETag"])


def test_an_international_address_goes_through(client: Client, published: Publisher) -> None:
    certificate = published(ALICES)
    certificate.mailbox.match = "δοκιμή@xn--bcher-kva.example.org"
    certificate.mailbox.save()
    answers.prepare(certificate.mailbox, at=certificate.published_at)
    response = client.get(f"{URL}?email={quote('Δοκιμή@Bücher.example.org')}")
    found = orjson.loads(response.content)
    assert (found["email"], found["status"]) == ("Δοκιμή@xn--bcher-kva.example.org", "found")


def test_it_agrees_with_the_directory(client: Client, published: Publisher, at: datetime) -> None:
    for level in ("V1", "V4", "external"):
        published(ALICES, level=level)
    found = look_up([EmailAddress.parse(ALICES)], usage=Usage.ENCRYPT, at=at)[0]
    assert [entry["fingerprint"] for entry in body(ask(client))["certificates"]] == [row.fingerprint for row in found.certificates]
