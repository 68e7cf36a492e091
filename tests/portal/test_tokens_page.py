"""API tokens: shown once, revoked at once, made by those who may."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from directory.errors import BadTokenError
from directory.events import Verb
from directory.models import ApiToken, DirectoryEvent
from directory.organizations import suspend
from directory.tokens import MOST_LIVE_TOKENS, find_token
from portal.views.tokens import state_of
from tests.portal.people import Cast, Person

WANTED = {"name": "statements", "scopes": ["lookup", "send"], "days": "30"}


def url(cast: Cast) -> str:
    return reverse("tokens", args=[cast.organization.pk])


def test_it_shows_a_new_token_once_and_the_token_works(cast: Cast, now: datetime) -> None:
    client = cast.client(Person.DEVELOPER)
    page = client.post(url(cast), WANTED)
    secret = page.context["secret"]
    token = find_token(secret, at=now)
    assert page.text.count(secret) == 1
    assert token.organization == cast.organization
    assert set(token.scopes) == {"lookup", "send"}
    assert token.created_by == cast.people[Person.DEVELOPER].actor
    assert timedelta(days=29) < token.expires_at - now < timedelta(days=31)
    assert "no-store" in page.headers["Cache-Control"]
    assert secret not in client.get(url(cast)).text
    assert DirectoryEvent.objects.filter(subject=f"token:{token.prefix}", actor=token.created_by).exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"days": "99999"}, "days"),
    ],
)
def test_it_explains_bad_input_and_makes_nothing(cast: Cast, wrong: dict[str, object], field: str) -> None:
    before = ApiToken.objects.count()
    page = cast.client(Person.OWNER).post(url(cast), {**WANTED, **wrong})
    assert field in page.context["form"].errors
    assert "There is a problem" in page.text
    assert "<title>Error:" in page.text
    assert ApiToken.objects.count() == before


def test_it_says_when_there_are_too_many(cast: Cast) -> None:
    client = cast.client(Person.OWNER)
    pages = [client.post(url(cast), WANTED) for _ in range(MOST_LIVE_TOKENS + 1)]
    assert "as many live tokens as it may" in pages[-1].text
    assert not pages[-1].context["secret"]


def test_it_says_when_the_organisation_is_suspended(cast: Cast, now: datetime) -> None:
    suspend(organization=cast.organization, reason="test", actor="user:operator", at=now)
    assert "suspended" in cast.client(Person.OWNER).post(url(cast), WANTED).text


def test_it_revokes_at_once_and_twice_is_no_harm(cast: Cast, now: datetime) -> None:
    client = cast.client(Person.ADMIN)
    for _ in range(2):
        answer = client.post(reverse("token-revoke", args=[cast.organization.pk, cast.token.pk]), follow=True)
        assert "“full” is revoked" in answer.text
    with pytest.raises(BadTokenError):
        find_token(cast.secret, at=now)
    assert DirectoryEvent.objects.filter(subject=f"token:{cast.token.prefix}", verb=Verb.TOKEN_REVOKED).count() == 1


def test_a_viewer_neither_looks_nor_touches(cast: Cast) -> None:
    viewer, before = cast.client(Person.VIEWER), ApiToken.objects.count()
    assert viewer.get(url(cast)).status_code == 403
    assert url(cast) not in viewer.get(reverse("dashboard", args=[cast.organization.pk])).text
    assert viewer.post(url(cast), WANTED).status_code == 403
    assert viewer.post(reverse("token-revoke", args=[cast.organization.pk, cast.token.pk])).status_code == 403
    assert ApiToken.objects.count() == before
    cast.token.refresh_from_db()
    assert cast.token.revoked_at is None


def test_charlie_finds_nothing(cast: Cast) -> None:
    charlie = cast.client(Person.CHARLIE)
    assert charlie.get(url(cast)).status_code == 404
    assert charlie.post(url(cast), WANTED).status_code == 404
    for organization in (cast.organization, cast.charlies):
        assert charlie.post(reverse("token-revoke", args=[organization.pk, cast.token.pk])).status_code == 404
    assert cast.client(Person.OWNER).post(reverse("token-revoke", args=[cast.organization.pk, uuid4()])).status_code == 404
    cast.token.refresh_from_db()
    assert cast.token.revoked_at is None


def test_it_takes_no_form_without_its_own_token(cast: Cast) -> None:
    client = cast.client(Person.OWNER, enforce_csrf_checks=True)
    answer = client.post(url(cast), WANTED)
    assert answer.status_code == 403
    assert "This form is out of date" in answer.text


def test_a_state_follows_from_the_times(cast: Cast, now: datetime) -> None:
    token = cast.token
    for expires, revoked, state in ((365, None, "live"), (29, None, "expiring"), (-1, None, "expired"), (365, now, "revoked")):
        token.expires_at, token.revoked_at = now + timedelta(days=expires), revoked
        assert state_of(token, at=now) == state
