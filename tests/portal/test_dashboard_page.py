"""The overview: figures of today, two weeks as a chart with its table, what is to be done."""

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.urls import reverse

from directory.models import Organization
from directory.organizations import suspend
from mailer.models import Issuance, IssuanceStatus, MessageStatus, SigningIdentity
from portal.charts import Day, Series, columns
from portal.views import dashboard
from portal.views.dashboard import DAYS, fortnight
from tests.portal.conftest import Letter
from tests.portal.people import Cast, Person


def url(cast: Cast) -> str:
    return reverse("dashboard", args=[cast.organization.pk])


def test_it_counts_what_is_so(cast: Cast, letter: Letter) -> None:
    for status in (MessageStatus.HANDED, MessageStatus.DELIVERED, MessageStatus.HELD, MessageStatus.HELD, MessageStatus.BOUNCED):
        letter(status=status)
    letter(status=MessageStatus.HELD, organization=cast.charlies)
    page = cast.client(Person.OWNER).get(url(cast))
    assert page.context["figures"] == {"today": 5, "sealed": 2, "held": 2, "expiring": 0, "not_delivered": 1}
    assert [message.status for message in page.context["latest"]].count("held") == 2


def test_it_puts_every_letter_on_its_day(cast: Cast, letter: Letter, now: datetime) -> None:
    for days, status in ((0, MessageStatus.HANDED), (3, MessageStatus.HELD), (13, MessageStatus.FAILED), (14, MessageStatus.HANDED)):
        letter(status=status, at=now - timedelta(days=days))
    chart = fortnight(cast.organization, at=now)
    assert [day.counts for day in chart.days if day.total] == [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    assert len(chart.days) == DAYS
    assert chart.days[-1].day == now.date()
    page = cast.client(Person.OWNER).get(url(cast)).text
    assert len(re.findall(r'<rect class="mark-(?!body)', page)) == len(chart.bars) == 3
    assert page.index('<svg class="plot') < page.index("The numbers")


def test_it_goes_without_the_chart_where_counting_takes_too_long(cast: Cast, letter: Letter, monkeypatch: pytest.MonkeyPatch) -> None:
    letter(status=MessageStatus.HELD)

    def slow(*_arguments: object, **_named: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(dashboard, "CHART_SECONDS", 0.01)
    monkeypatch.setattr(dashboard, "fortnight", slow)
    page = cast.client(Person.OWNER).get(url(cast))
    assert page.status_code == 200
    assert page.context["chart"] is None
    assert page.context["figures"]["held"] == 1
    assert "more letters than can be counted" in page.text


def test_it_lists_what_waits_for_this_person(cast: Cast, now: datetime) -> None:
    Organization.objects.filter(pk=cast.organization.pk).update(valid_until=now + timedelta(days=10, hours=1))
    cast.organization.tokens.filter(revoked_at=None).update(expires_at=now + timedelta(days=5, hours=1))
    owner = cast.client(Person.OWNER).get(url(cast))
    assert {(task.word, task.state) for task in owner.context["todo"]} >= {
        ("Token “full” expires", "5 days left"),
        ("Renew the validation of your organisation", "10 days left"),
    }
    viewer = cast.client(Person.VIEWER).get(url(cast))
    assert [task.state for task in viewer.context["todo"]] == ["10 days left"]


def test_it_says_that_a_certificate_was_refused(cast: Cast, now: datetime) -> None:
    """Until it is begun anew; and Charlie's own are Charlie's alone."""
    for organization, address in ((cast.organization, "new@bank.example.com"), (cast.charlies, "post@shop.example.net")):
        Issuance.objects.create(
            organization=organization, profile="v4-signing", address=address, status=IssuanceStatus.REFUSED, actor="user:test", created_at=now
        )

    def words() -> list[str]:
        return [task.word for task in cast.client(Person.OWNER).get(url(cast)).context["todo"] if "No certificate" in task.word]

    assert words() == ["No certificate could be issued for new@bank.example.com"]
    SigningIdentity.objects.create(organization=cast.organization, address="new@bank.example.com", match="new@bank.example.com", created_at=now)
    assert words() == []


def test_it_says_that_the_organisation_is_suspended(cast: Cast, now: datetime) -> None:
    suspend(organization=cast.organization, reason="test", actor="user:operator", at=now)
    client = cast.client(Person.OWNER)
    for name in ("dashboard", "send-log", "certificate", "tokens"):
        assert client.get(reverse(name, args=[cast.organization.pk])).text.count("This organisation is suspended") == 1
    assert "This organisation is suspended" not in cast.client(Person.CHARLIE).get(reverse("dashboard", args=[cast.charlies.pk])).text


def test_charlie_sees_nothing(cast: Cast) -> None:
    for person in (Person.CHARLIE, Person.APPLICANT, Person.REVIEWER, Person.OPERATOR):
        assert cast.client(person).get(url(cast)).status_code == 404


def test_it_asks_for_sign_in_and_second_factor(cast: Cast) -> None:
    anonymous = cast.client(Person.ANONYMOUS).get(url(cast))
    assert anonymous.headers["Location"] == f"{reverse('login')}?next={url(cast)}"
    assert cast.client(Person.BARE_OWNER).get(url(cast)).status_code == 302


def test_a_chart_begins_at_nought_and_keeps_its_bars_inside(now: datetime) -> None:
    for most in (0, 1, 3, 9, 10, 41, 99, 100, 12345, 1_000_000):
        chart = columns([Series("a", "mark-1"), Series("b", "mark-2")], [Day(now.date(), (most, most // 2))])
        total = most + most // 2
        assert chart.total == total
        assert chart.rules[-1].value >= total
        assert 1 <= len(chart.rules) <= 5
        assert all(float(bar.y) >= 10 for bar in chart.bars)
        assert len(chart.bars) == sum(count > 0 for count in (most, most // 2))
