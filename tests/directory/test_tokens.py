"""API tokens: shown once, kept as a digest, worth nothing once they end."""

import hashlib
from datetime import datetime, timedelta

import pytest

from directory import tokens
from directory.errors import BadTokenError, SuspendedOrganizationError, TokenRequestError
from directory.models import ApiToken, DirectoryEvent, Organization, OrganizationStatus
from directory.tokens import find_known_token, find_token, make_token, revoke_token
from tests.directory.conftest import ALICE


def make(organization: Organization, at: datetime, **facts: object) -> tuple[ApiToken, str]:
    given: dict[str, object] = {"name": "Billing", "scopes": ["send", "lookup"], "actor": ALICE, "at": at}
    return make_token(organization=organization, **{**given, **facts})  # type: ignore[arg-type]


def test_its_text_is_kept_nowhere(bank: Organization, at: datetime) -> None:
    token, text = make(bank, at)
    assert text.startswith(f"ll_live_{token.prefix}_")
    assert len(text) == len("ll_live_12345678_") + 43
    secret = text.rpartition(f"{token.prefix}_")[2]
    row = ApiToken.objects.values().get()
    assert row["digest"] == hashlib.sha256(text.encode()).hexdigest()
    assert secret not in str(row)
    assert secret not in str(list(DirectoryEvent.objects.values()))
    assert (token.scopes, token.created_by, token.expires_at) == (["lookup", "send"], ALICE, at + timedelta(days=365))


def test_it_is_found_by_its_whole_text_alone(bank: Organization, shop: Organization, at: datetime) -> None:
    token, text = make(bank, at)
    _other, charlies = make(shop, at)
    assert find_token(text, at=at).pk == token.pk
    mixed = text[: len("ll_live_12345678_")] + charlies[len("ll_live_12345678_") :]
    for bad in ("", "ll_live_", text[:-1], text + "A", text.swapcase(), mixed, text.replace("ll_live", "ll_test"), f" {text}", text + "\n", "ü" * 60):
        with pytest.raises(BadTokenError):
            find_token(bad, at=at)
        with pytest.raises(BadTokenError):
            find_known_token(bad, at=at)


def test_it_ends_by_time_and_by_revocation(bank: Organization, at: datetime) -> None:
    token, text = make(bank, at, valid_days=1)
    find_token(text, at=at + timedelta(hours=23))
    with pytest.raises(BadTokenError):
        find_token(text, at=at + timedelta(days=1))
    find_known_token(text, at=at)
    revoke_token(token=token, actor=ALICE, at=at)
    revoke_token(token=token, actor=ALICE, at=at)
    for find in (find_token, find_known_token):
        with pytest.raises(BadTokenError):
            find(text, at=at)
    assert DirectoryEvent.objects.filter(verb="token.revoked").count() == 1


def test_another_process_stops_within_five_seconds(bank: Organization, at: datetime) -> None:
    """The row is changed behind this process's back, as by another one."""
    _token, text = make(bank, at)
    find_known_token(text, at=at)
    ApiToken.objects.update(revoked_at=at)
    find_known_token(text, at=at + timedelta(seconds=4.9))
    with pytest.raises(BadTokenError):
        find_known_token(text, at=at + timedelta(seconds=5))


def test_a_known_token_still_ends_by_time(bank: Organization, at: datetime) -> None:
    _token, text = make(bank, at, valid_days=1)
    find_known_token(text, at=at + timedelta(days=1, seconds=-1))
    with pytest.raises(BadTokenError):
        find_known_token(text, at=at + timedelta(days=1))


def test_its_use_is_noted_about_once_a_minute(bank: Organization, at: datetime) -> None:
    token, text = make(bank, at)
    for seconds in (0, 10, 59, 65):
        find_known_token(text, at=at + timedelta(seconds=seconds))
        token.refresh_from_db()
        assert token.last_used_at == at + timedelta(seconds=65 if seconds == 65 else 0)


@pytest.mark.parametrize(
    "facts",
    [
        {"name": " "},
        {"name": "x" * 81},
        {"name": "a\nb"},
        {"scopes": []},
        {"scopes": ["lookup", "everything"]},
        {"valid_days": 0},
        {"valid_days": 731},
    ],
)
def test_it_is_not_made_of_anything(bank: Organization, at: datetime, facts: dict[str, object]) -> None:
    with pytest.raises(TokenRequestError):
        make(bank, at, **facts)
    assert not ApiToken.objects.exists()


def test_a_suspended_organisation_makes_none(bank: Organization, at: datetime) -> None:
    Organization.objects.update(status=OrganizationStatus.SUSPENDED)
    with pytest.raises(SuspendedOrganizationError):
        make(bank, at)


def test_two_may_live_at_once_for_rotation_but_not_any_number(bank: Organization, shop: Organization, at: datetime) -> None:
    made = [make(bank, at)[0] for _ in range(tokens.MOST_LIVE_TOKENS)]
    with pytest.raises(TokenRequestError):
        make(bank, at)
    make(shop, at)
    revoke_token(token=made[0], actor=ALICE, at=at)
    make(bank, at)
