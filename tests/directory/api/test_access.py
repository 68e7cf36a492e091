"""Who may ask: anybody a little, tokens more, and a token that does not hold nothing at all."""

from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
import pytest
from django.test import Client
from pytest_django import Settings

from directory.models import ApiToken, Organization
from directory.organizations import suspend
from directory.tokens import forget_known, revoke_token
from tests.directory.conftest import ALICE, Publisher, bearer

URL = "/api/v1/certificates"
TokenMaker = Callable[..., tuple[ApiToken, str]]


def status(client: Client, text: str) -> int:
    return client.get(URL, {"email": "alice@example.com"}, headers=bearer(text)).status_code


def test_anybody_may_look_up(client: Client, published: Publisher) -> None:
    published("alice@example.com")
    assert orjson.loads(client.get(URL, {"email": "alice@example.com"}).content)["status"] == "found"


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer ll_live_12345678_" + "a" * 43, "ll_live_12345678_" + "a" * 43, "Bearer \x00", "Bearer ü"],
)
def test_a_bad_token_is_refused_and_not_taken_for_none(client: Client, db: None, header: str) -> None:  # noqa: ARG001 - the database
    response = client.get(URL, {"email": "alice@example.com"}, headers={"Authorization": header})
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
    assert response["WWW-Authenticate"] == 'Bearer realm="Letterlock"'
    problem = orjson.loads(response.content)
    assert problem["status"] == 401
    assert header not in problem["detail"]


def test_a_sandbox_token_is_told_that_there_is_no_sandbox_yet(client: Client, db: None) -> None:  # noqa: ARG001 - the database
    response = client.get(URL, {"email": "alice@example.com"}, headers=bearer("ll_test_12345678_" + "a" * 43))
    assert (response.status_code, response["Content-Type"]) == (422, "application/problem+json")
    assert "sandbox" in orjson.loads(response.content)["detail"]


def test_a_token_works_until_it_ends(client: Client, bank: Organization, shop: Organization, token_of: TokenMaker, at: datetime) -> None:
    token, text = token_of(bank)
    _other, charlies = token_of(shop)
    assert status(client, text) == 200
    revoke_token(token=token, actor=ALICE, at=at)
    assert (status(client, text), status(client, charlies)) == (401, 200)
    suspend(organization=shop, reason="complaint", actor="user:operator", at=at)
    assert status(client, charlies) == 401
    _expired, old = token_of(bank)
    ApiToken.objects.update(expires_at=at - timedelta(seconds=1))
    forget_known()
    assert status(client, old) == 401


def test_a_token_without_the_scope_may_not(client: Client, bank: Organization, token_of: TokenMaker) -> None:
    _token, text = token_of(bank, "send")
    for response in (
        client.get(URL, {"email": "alice@example.com"}, headers=bearer(text)),
        client.post("/api/v1/lookups", {"emails": ["alice@example.com"]}, content_type="application/json", headers=bearer(text)),
    ):
        assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
        assert "lookup" in orjson.loads(response.content)["detail"]


def test_a_token_is_taken_from_the_header_alone(client: Client, bank: Organization, token_of: TokenMaker, settings: Settings) -> None:
    _token, text = token_of(bank)
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 0
    assert client.get(URL, {"email": "alice@example.com", "token": text, "access_token": text}).status_code == 429


class TestQuota:
    """Counted by organisation, or by address range without a token."""

    @pytest.fixture(autouse=True)
    def _small(self, settings: Settings, bank: Organization) -> None:
        del bank
        settings.LETTERLOCK_ANONYMOUS_QUOTA = 3
        settings.LETTERLOCK_TOKEN_QUOTA = 5

    def ask(self, client: Client, address: str, count: int = 1, **headers: str) -> int:
        body = {"emails": [f"user{number}@example.com" for number in range(count)]}
        response = client.post("/api/v1/lookups", body, content_type="application/json", REMOTE_ADDR=address, headers=headers)
        if response.status_code == 429:
            assert response["Content-Type"] == "application/problem+json"
            assert 1 <= int(response["Retry-After"]) <= 60
        return response.status_code

    def test_it_ends_after_so_many_addresses(self, client: Client) -> None:
        assert [self.ask(client, "192.0.2.1") for _ in range(4)] == [200, 200, 200, 429]

    def test_a_batch_counts_each_address_and_a_refused_one_none(self, client: Client) -> None:
        assert self.ask(client, "192.0.2.1", 4) == 429
        assert self.ask(client, "192.0.2.1", 3) == 200
        assert self.ask(client, "192.0.2.1", 1) == 429

    def test_malformed_addresses_count_too(self, client: Client) -> None:
        for expected in (200, 429):
            response = client.post("/api/v1/lookups", {"emails": ["x", "y"]}, content_type="application/json", REMOTE_ADDR="192.0.2.1")
            assert response.status_code == expected

    @pytest.mark.parametrize(
        ("first", "same", "other"),
        [
            ("192.0.2.1", "192.0.2.254", "192.0.3.1"),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1"),
            ("192.0.2.1", "::ffff:192.0.2.9", "::ffff:198.51.100.1"),
        ],
    )
    def test_one_range_is_one_caller(self, client: Client, first: str, same: str, other: str) -> None:
        assert self.ask(client, first, 3) == 200
        assert self.ask(client, same) == 429
        assert self.ask(client, other) == 200

    def test_charlie_does_not_use_up_what_alice_may(self, client: Client, bank: Organization, shop: Organization, token_of: TokenMaker) -> None:
        alices, charlies = token_of(bank)[1], token_of(shop)[1]
        second = token_of(shop)[1]
        assert self.ask(client, "192.0.2.1", 5, **bearer(charlies)) == 200
        assert self.ask(client, "192.0.2.1", 1, **bearer(second)) == 429
        assert self.ask(client, "192.0.2.1", 5, **bearer(alices)) == 200
        assert self.ask(client, "192.0.2.1", 3) == 200

    def test_only_a_proxy_is_believed_about_whom_it_forwards(self, client: Client, settings: Settings) -> None:
        assert self.ask(client, "192.0.2.1", 3) == 200
        forged = {"X-Forwarded-For": "203.0.113.5"}
        assert self.ask(client, "192.0.2.1", 1, **forged) == 429
        settings.LETTERLOCK_BEHIND_PROXY = True
        assert self.ask(client, "192.0.2.1", 3, **{"X-Forwarded-For": "198.51.100.7, 203.0.113.5"}) == 200
        assert self.ask(client, "192.0.2.1", 1, **{"X-Forwarded-For": "192.0.2.77, 203.0.113.9"}) == 429

    def test_without_redis_each_process_counts_for_itself(self, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
        assert [self.ask(client, "192.0.2.1") for _ in range(4)] == [200, 200, 200, 429]
        assert self.ask(client, "198.51.100.1") == 200
        assert "Redis does not answer" in caplog.text
