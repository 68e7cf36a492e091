"""Errors in the portal's own face; on the API as problem documents."""

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from portal.views import errors
from tests.portal.people import Cast, Person


@pytest.mark.django_db
def test_an_unknown_address_is_answered_in_the_face(client: Client) -> None:
    page = client.get("/nothing-here/")
    assert page.status_code == 404
    assert "There is nothing here" in page.text
    assert "css/tokens" in page.text


@pytest.mark.django_db
def test_an_unknown_address_of_the_api_is_a_problem(client: Client) -> None:
    answer = client.get("/api/v1/nothing-here")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 404


def test_what_a_role_may_not_do_is_refused_in_the_face(cast: Cast) -> None:
    page = cast.client(Person.VIEWER).post(reverse("token-revoke", args=[cast.organization.pk, cast.token.pk]))
    assert page.status_code == 403
    assert "This is not for you to see" in page.text


def test_a_method_that_an_address_does_not_take_is_answered_in_the_face(cast: Cast) -> None:
    page = cast.client(Person.OWNER).get(reverse("token-revoke", args=[cast.organization.pk, cast.token.pk]))
    assert page.status_code == 405
    assert page.headers["Allow"] == "POST"
    assert "takes no such request" in page.text


def test_who_must_sign_in_while_posting_comes_back_to_a_page(cast: Cast) -> None:
    revoke, tokens = (reverse(name, args=[cast.organization.pk, *more]) for name, more in (("token-revoke", [cast.token.pk]), ("tokens", [])))
    for person in (Person.ANONYMOUS, Person.BARE_OWNER):
        client = cast.client(person)
        assert client.post(revoke).headers["Location"].endswith(f"?next={tokens}")
        assert client.post(tokens).headers["Location"].endswith(f"?next={tokens}")
        assert client.post(f"/review/{cast.organization.pk}/claim/").headers["Location"].endswith(f"?next=/review/{cast.organization.pk}/")


@pytest.mark.django_db
def test_a_wrong_host_gets_no_page_of_ours(client: Client, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.org"]
    answer = client.get("/", headers={"host": "evil.example.org"})
    assert answer.status_code == 400
    assert "evil.example.org" not in answer.text
    assert not [record for record in caplog.records if record.exc_info], "a stranger's whim is no fault of ours"


def test_a_fault_is_told_without_asking_the_database(rf: RequestFactory) -> None:
    """No `db` fixture: the page must not need what may just have failed."""
    page = errors.server_error(rf.get("/organizations/"))
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.content.decode()
    problem = errors.server_error(rf.get("/api/v1/messages"))
    assert problem.headers["Content-Type"] == "application/problem+json"


def test_a_bad_request_has_its_page(rf: RequestFactory) -> None:
    request = rf.get("/lookup")
    page = errors.bad_request(request, Exception("detail that stays inside"))
    assert page.status_code == 400
    assert "detail that stays inside" not in page.content.decode()
