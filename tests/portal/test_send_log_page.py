"""The send log: newest first, filtered by the URL, and as CSV; Charlie sees none of it."""

import csv
import io
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from directory.x509.names import EmailAddress
from mailer.erasing import erase_recipient
from mailer.models import MessageStatus
from portal.views import send_log
from portal.views.send_log import Filters
from tests.portal.conftest import Letter
from tests.portal.people import Cast, Person


def url(cast: Cast, name: str = "send-log") -> str:
    return reverse(name, args=[cast.organization.pk])


def recipients(page: object) -> list[str]:
    return [row.recipient for row in page.context["rows"]]  # type: ignore[attr-defined]


def test_it_lists_the_newest_first_and_nothing_of_others(cast: Cast, letter: Letter, now: datetime) -> None:
    letter("old@example.com", at=now - timedelta(hours=2))
    letter("new@example.com", at=now)
    letter("charlies@example.com", organization=cast.charlies)
    assert recipients(cast.client(Person.VIEWER).get(url(cast))) == ["new@example.com", "old@example.com"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"to": "DORA"}, {"dora@example.com"}),
        ({"status": "held"}, {"emil@example.net"}),
        ({"reference": "44"}, {"dora@example.com"}),
        ({"view": "held"}, {"emil@example.net"}),
        ({"view": "not-delivered"}, {"fay@example.org"}),
        ({"view": "held", "to": "dora"}, set()),
        ({"to": "%"}, set()),
        ({"status": "nonsense", "to": "emil"}, {"emil@example.net"}),
        ({"since": "not a day"}, {"dora@example.com", "emil@example.net", "fay@example.org"}),
        ({"until": "2020-01-01"}, set()),
        ({"since": "0001-01-01", "until": "9999-12-31"}, {"dora@example.com", "emil@example.net", "fay@example.org"}),
        ({"until": "0001-01-01"}, set()),
        ({"since": "9999-12-31"}, set()),
    ],
)
def test_it_filters_by_the_url(cast: Cast, letter: Letter, query: dict[str, str], found: set[str]) -> None:
    letter("dora@example.com", MessageStatus.HANDED, reference="ST-4471")
    letter("emil@example.net", MessageStatus.HELD, reference="ST-5")
    letter("fay@example.org", MessageStatus.BOUNCED)
    page = cast.client(Person.OWNER).get(url(cast), query)
    assert page.status_code == 200
    assert set(recipients(page)) == found


def test_it_filters_by_whole_days(cast: Cast, letter: Letter, now: datetime) -> None:
    yesterday = now.replace(hour=23, minute=59, second=59) - timedelta(days=1)
    letter("yesterday@example.com", at=yesterday)
    letter("today@example.com", at=now.replace(hour=0, minute=0, second=0))
    client = cast.client(Person.OWNER)
    assert recipients(client.get(url(cast), {"until": f"{yesterday:%Y-%m-%d}"})) == ["yesterday@example.com"]
    assert recipients(client.get(url(cast), {"since": f"{now:%Y-%m-%d}"})) == ["today@example.com"]


def test_it_names_each_filter_and_the_way_without_it(cast: Cast, letter: Letter) -> None:
    letter()
    page = cast.client(Person.OWNER).get(url(cast), {"to": "dora", "status": "handed"})
    assert page.context["chips"] == [("Recipient: dora", "status=handed"), ("Status: Handed over", "to=dora")]


def test_it_walks_every_page_to_the_end_and_back(cast: Cast, letter: Letter, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_log, "PAGE", 3)
    for number in range(7):
        letter(f"n{number}@example.com", at=now - timedelta(seconds=number // 2))
    client, there = cast.client(Person.OWNER), []
    page = client.get(url(cast))
    assert not page.context["newer"]
    while True:
        there.append(recipients(page))
        if not page.context["older"]:
            break
        page = client.get(f"{url(cast)}?{page.context['older']}")
    assert sorted(address for rows in there for address in rows) == [f"n{number}@example.com" for number in range(7)]
    assert [len(rows) for rows in there] == [3, 3, 1]
    back = []
    while page.context["newer"]:
        page = client.get(f"{url(cast)}?{page.context['newer']}")
        back.append(recipients(page))
    assert back == there[-2::-1]


# The last is of a moment that Python can read and the database cannot.
OF_YEAR_1 = "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OSAwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDE"


@pytest.mark.parametrize("cursor", ["x", "e30", "WyIyMDIwIiwgMV0", "%00", "W10", OF_YEAR_1])
def test_it_does_not_know_a_cursor_that_is_none(cast: Cast, cursor: str) -> None:
    client = cast.client(Person.OWNER)
    for name in ("after", "before"):
        assert client.get(url(cast), {name: cursor}).status_code == 404


def test_its_tabs_count_no_further_than_is_worth_waiting_for(cast: Cast, letter: Letter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_log, "COUNTED", 2)
    for status in (MessageStatus.HELD, MessageStatus.HELD, MessageStatus.FAILED):
        letter(status=status)
    letter(organization=cast.charlies)
    page = cast.client(Person.OWNER).get(url(cast))
    assert {name: count for name, _word, count, _current in page.context["tabs"]} == {"": (2, True), "held": (2, False), "not-delivered": (1, False)}
    assert "2+" in page.text


def test_it_gives_up_a_search_that_takes_too_long_and_says_what_would_not(cast: Cast, letter: Letter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_log, "SEARCH_SECONDS", 0.001)
    slow = Filters.apply
    # Every row takes longer than the whole search may.
    monkeypatch.setattr(Filters, "apply", lambda filters, letters: slow(filters, letters).extra(where=["pg_sleep(0.05) IS NOT NULL"]))
    letter("dora@example.com")
    client = cast.client(Person.OWNER)
    for name in ("to", "reference"):
        page = client.get(url(cast), {name: "or"})
        assert page.status_code == 200
        assert recipients(page) == []
        assert list(page.context["filters"].errors) == [name]
        assert "takes too long" in page.text


def test_it_finds_a_whole_address_as_it_is_matched(cast: Cast, letter: Letter) -> None:
    letter("dora@example.com")
    letter("xdora@example.com")
    client = cast.client(Person.OWNER)
    assert recipients(client.get(url(cast), {"to": "DORA@Example.com"})) == ["dora@example.com"]
    assert len(recipients(client.get(url(cast), {"to": "dora@exam"}))) == 2


def test_it_says_erased_where_a_recipient_was(cast: Cast, letter: Letter, now: datetime) -> None:
    message = letter("dora@example.com", MessageStatus.HANDED)
    letter("emil@example.net", MessageStatus.HANDED)
    erase_recipient(EmailAddress.parse("dora@example.com"), actor="user:test", at=now)
    client = cast.client(Person.OWNER)
    for page in (client.get(url(cast)).text, client.get(reverse("message", args=[cast.organization.pk, message.pk])).text):
        assert ">erased<" in page
        assert "dora@example.com" not in page
        assert "Not sealed" not in page
    rows = list(csv.DictReader(io.StringIO(b"".join(client.get(url(cast, "send-log-csv")).streaming_content).decode())))  # type: ignore[attr-defined]
    assert {row["recipient"] for row in rows} == {"", "emil@example.net"}
    assert recipients(client.get(url(cast), {"to": "dora@example.com"})) == []


def test_it_says_so_when_there_is_nothing(cast: Cast) -> None:
    client = cast.client(Person.OWNER)
    assert "Nothing was sent yet" in client.get(url(cast)).text
    assert "No letter matches" in client.get(url(cast), {"to": "nobody"}).text


def test_it_exports_what_is_filtered_as_csv(cast: Cast, letter: Letter) -> None:
    letter("dora@example.com", reference='=HYPERLINK("http://evil.example.org")')
    letter("emil@example.net", MessageStatus.HELD, reference="plain, with comma")
    letter("charlies@example.com", organization=cast.charlies)
    client = cast.client(Person.VIEWER)
    answer = client.get(url(cast, "send-log-csv"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert {row["recipient"] for row in rows} == {"dora@example.com", "emil@example.net"}
    assert {row["reference"] for row in rows} == {'\'=HYPERLINK("http://evil.example.org")', "plain, with comma"}
    assert "attachment" in answer.headers["Content-Disposition"]
    held = client.get(url(cast, "send-log-csv"), {"status": "held"})
    assert len(b"".join(held.streaming_content).splitlines()) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", [{"since": "x"}, {"status": "zz"}, {"view": "nonsense"}])
def test_it_exports_nothing_by_a_filter_that_it_does_not_understand(cast: Cast, letter: Letter, query: dict[str, str]) -> None:
    letter()
    page = cast.client(Person.VIEWER).get(url(cast, "send-log-csv"), query)
    assert page.status_code == 422
    assert "Nothing was exported" in page.text


def test_its_export_begins_with_the_id_that_the_api_knows(cast: Cast, letter: Letter) -> None:
    message = letter()
    answer = cast.client(Person.VIEWER).get(url(cast, "send-log-csv"))
    assert b"".join(answer.streaming_content).decode().splitlines()[1].startswith(f"{message.id},")  # type: ignore[attr-defined]


def test_no_cache_keeps_a_room(cast: Cast, letter: Letter) -> None:
    message = letter()
    client = cast.client(Person.OWNER)
    pages = [reverse(name, args=[cast.organization.pk]) for name in ("dashboard", "send-log", "send-log-csv", "certificate", "sending", "tokens")]
    for page in [*pages, reverse("message", args=[cast.organization.pk, message.pk]), "/apply/"]:
        assert "no-store" in client.get(page).headers["Cache-Control"]


def test_charlie_sees_nothing(cast: Cast, letter: Letter) -> None:
    message, foreign = letter(), letter(organization=cast.charlies)
    charlie = cast.client(Person.CHARLIE)
    for address in (
        url(cast),
        url(cast, "send-log-csv"),
        reverse("message", args=[cast.organization.pk, message.pk]),
        reverse("message", args=[cast.charlies.pk, message.pk]),
    ):
        assert charlie.get(address).status_code == 404
    assert cast.client(Person.OWNER).get(reverse("message", args=[cast.organization.pk, foreign.pk])).status_code == 404
    assert cast.client(Person.OWNER).get(reverse("message", args=[cast.organization.pk, uuid4()])).status_code == 404
