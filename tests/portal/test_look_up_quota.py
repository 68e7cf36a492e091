"""The look-up page is no way around the API's quota: else whole address lists could be tried through it."""

from django.test import Client
from pytest_django import Settings


def test_it_counts_with_the_api_in_one_quota(client: Client, db: None, settings: Settings) -> None:  # noqa: ARG001 - the database
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 2
    caller = {"REMOTE_ADDR": "203.0.113.77"}
    assert client.get("/api/v1/certificates", {"email": "charlie@example.com"}, **caller).status_code == 200  # type: ignore[arg-type]
    assert client.get("/lookup", {"email": "charlie@example.com"}, **caller).status_code == 200  # type: ignore[arg-type]
    refused = client.get("/lookup", {"email": "alice@example.com"}, **caller)  # type: ignore[arg-type]
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert client.get("/lookup", **caller).status_code == 200  # type: ignore[arg-type]
