"""Pages for everybody: they say what is so, in the reader's language, and need no account."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from mailer.models import MessageStatus
from portal.views import public
from portal.views.public import Figures, count_figures, recent_figures
from tests.pki import Usage
from tests.portal.conftest import Letter, Published
from tests.portal.people import Cast, Person


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    public._counted.clear()
    yield
    public._counted.clear()


PUBLIC = ("home", "lookup", "developers", "privacy", "accessibility")


@pytest.mark.django_db
@pytest.mark.parametrize("name", PUBLIC)
def test_it_opens_without_an_account_in_both_languages(client: Client, name: str) -> None:
    english = client.get(reverse(name))
    client.cookies["django_language"] = "zh-hans"
    chinese = client.get(reverse(name))
    assert english.status_code == chinese.status_code == 200
    assert '<html lang="en">' in english.text
    assert '<html lang="zh-hans">' in chinese.text
    assert english.text.count("<h1") == chinese.text.count("<h1") == 1


@pytest.mark.usefixtures("cast")
def test_it_counts_its_figures(client: Client, letter: Letter, published: Published) -> None:
    published("dora@example.com", usage=Usage.ENCRYPT)
    published("dora@example.com", usage=Usage.SIGN, key="rsa2048")
    published("emil@example.com")
    for status in (MessageStatus.HANDED, MessageStatus.DELIVERED, MessageStatus.HELD, MessageStatus.FAILED):
        letter(status=status)
    assert count_figures() == Figures(certificates=3, addresses=2, organizations=2, letters=2)
    page = client.get(reverse("home")).text
    assert "of 2 addresses" in page


@pytest.mark.usefixtures("cast")
def test_it_counts_again_after_a_minute_and_not_before(letter: Letter, now: datetime) -> None:
    assert recent_figures(at=now).letters == 0
    letter(status=MessageStatus.HANDED)
    assert recent_figures(at=now + timedelta(seconds=59)).letters == 0
    assert recent_figures(at=now + timedelta(seconds=60)).letters == 1


@pytest.mark.django_db
def test_it_remembers_the_language_and_goes_back(client: Client) -> None:
    answer = client.get(reverse("language", args=["zh-hans"]), {"next": "/lookup?email=a%40example.com"})
    assert answer.headers["Location"] == "/lookup?email=a%40example.com"
    assert client.cookies["django_language"].value == "zh-hans"


@pytest.mark.django_db
@pytest.mark.parametrize("to", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)", "/\\evil.example.org", ""])
def test_it_goes_nowhere_else(client: Client, to: str) -> None:
    assert client.get(reverse("language", args=["en"]), {"next": to}).headers["Location"] == "/"


@pytest.mark.django_db
def test_it_sets_no_language_that_there_is_not(client: Client) -> None:
    client.get(reverse("language", args=["xx"]))
    assert "django_language" not in client.cookies


@pytest.mark.django_db
def test_it_tells_robots_what_is_not_for_them(client: Client) -> None:
    answer = client.get("/robots.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    for closed in ("/lookup", "/organizations/", "/admin/"):
        assert f"Disallow: {closed}\n" in answer.text


@pytest.mark.django_db
def test_it_says_that_it_is_well_only_when_it_can_ask_its_database(client: Client) -> None:
    answer = client.get("/health/")
    assert answer.json() == {"status": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_is_not_well_without_its_database(client: Client) -> None:
    """No `db` fixture: pytest-django refuses the connection, as a lost server would."""
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        client.get("/health/")


def test_it_shows_a_person_their_own_way_in_and_out(cast: Cast) -> None:
    page = cast.client(Person.CHARLIE).get(reverse("home"))
    assert "Sign out" in page.text
    assert "Sign in" not in page.text
    assert cast.people[Person.OWNER].email not in page.text
