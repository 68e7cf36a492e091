"""The operators' desk: how the outbox stands, pausing everything or a domain; nobody else finds it."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from directory.models import DirectoryEvent
from mailer.message_states import note
from mailer.models import Message, MessageStatus, Pause
from mailer.outbox import depth
from mailer.outbox_state import outbox_state
from mailer.pausing import pause
from tests.portal.conftest import Letter
from tests.portal.people import Cast, Person

DESK, PAUSE, RESUME = (reverse(name) for name in ("operations", "operations-pause", "operations-resume"))


@pytest.fixture
def operator(cast: Cast) -> Client:
    depth.forget()
    return cast.client(Person.OPERATOR)


def test_it_counts_what_is_under_way_in_all_organisations(operator: Client, cast: Cast, letter: Letter, now: datetime) -> None:
    for status in MessageStatus:
        letter(status=status)
    letter(status=MessageStatus.QUEUED, organization=cast.charlies)
    Message.objects.filter(organization=cast.charlies).update(not_before=now + timedelta(hours=1))
    assert set(outbox_state().counts.items()) == {
        (MessageStatus.QUEUED, 2), (MessageStatus.SEALING, 1), (MessageStatus.SEALED, 1), (MessageStatus.HANDING, 1), (MessageStatus.HELD, 1),
        (MessageStatus.UNKNOWN, 1),
    }  # fmt: skip
    page = operator.get(DESK)
    assert page.context["alarms"].waiting == now
    assert {name: page.context[name] for name in ("queued", "in_hands", "held", "unknown")} == {"queued": 2, "in_hands": 3, "held": 1, "unknown": 1}


def test_it_says_that_nothing_is_due(operator: Client) -> None:
    page = operator.get(DESK).text
    assert "none is due" in page
    assert "in doubt" not in page.split("<dl")[0]


def test_what_is_in_doubt_stands_on_top_here_and_on_every_page_of_the_administration(operator: Client, letter: Letter) -> None:
    assert "in doubt" not in operator.get("/admin/").text
    letter(status=MessageStatus.UNKNOWN)
    listing = f"{reverse('admin:mailer_message_changelist')}?status__exact=unknown"
    for page in (DESK, "/admin/", reverse("admin:directory_apitoken_changelist")):
        shown = operator.get(page).text
        assert "1 letter is in doubt" in shown or "1 message is in doubt" in shown
        assert listing in shown
    assert operator.get(listing).context["cl"].result_count == 1


def test_it_says_what_nobody_comes_to(operator: Client, letter: Letter, now: datetime) -> None:
    letter(status=MessageStatus.HANDING, at=now - timedelta(hours=1))
    stuck = letter(status=MessageStatus.SEALING)
    Message.objects.filter(pk=stuck.pk).update(attempt=50)
    shown = operator.get(DESK).text
    assert "1 hand-over is overdue" in shown
    assert "1 letter is begun again and again" in shown
    assert "no partition" not in shown
    note([stuck.pk], event="delayed", actor="system:worker", at=now + timedelta(days=4000))
    assert "no partition for this month" in operator.get(DESK).text
    assert "in doubt" not in shown.split("<dl")[0]


def test_it_says_when_new_letters_are_refused(operator: Client, letter: Letter, settings: Settings) -> None:
    letter(status=MessageStatus.QUEUED)
    assert "New letters are refused" not in operator.get(DESK).text
    settings.LETTERLOCK_OUTBOX_DEPTH = 1
    depth.forget()
    assert "New letters are refused" in operator.get(DESK).text
    depth.forget()


@pytest.mark.parametrize(("given", "domain"), [("", ""), ("Example.COM", "example.com"), (" bücher.example ", "xn--bcher-kva.example")])
def test_it_pauses_and_goes_on(operator: Client, cast: Cast, given: str, domain: str) -> None:
    actor = cast.people[Person.OPERATOR].actor
    assert "the relay is away" in operator.post(PAUSE, {"domain": given, "reason": "the relay is away"}, follow=True).text
    begun = Pause.objects.get()
    assert (begun.organization, begun.domain, begun.paused_by, begun.resumed_at) == (None, domain, actor, None)
    for _time in range(2):
        assert "Nothing is paused" in operator.post(RESUME, {"domain": domain}, follow=True).text
    begun.refresh_from_db()
    assert begun.resumed_by == actor
    assert list(DirectoryEvent.objects.filter(verb__startswith="sending.").order_by("id").values_list("verb", flat=True)) == [
        "sending.paused",
        "sending.resumed",
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"domain": "", "reason": ""}, "reason"),
        ({"domain": "no domain", "reason": "x"}, "domain"),
        ({"domain": "localhost", "reason": "x"}, "domain"),
        ({"domain": "a\nb.example", "reason": "x"}, "domain"),
        ({"domain": "", "reason": "x" * 301}, "reason"),
    ],
)
def test_it_says_what_is_wrong(operator: Client, given: dict[str, str], field: str) -> None:
    page = operator.post(PAUSE, given)
    assert (page.status_code, list(page.context["form"].errors)) == (422, [field])
    assert not Pause.objects.exists()


def test_it_lists_what_organisations_pause_and_leaves_it_to_them(operator: Client, cast: Cast, now: datetime) -> None:
    pause(organization=cast.organization, reason="ours", actor="user:alice", at=now)
    shown = operator.get(DESK).text
    assert "its own choice" in shown
    operator.post(RESUME, {"domain": ""})
    assert Pause.objects.get().resumed_at is None


@pytest.mark.parametrize("person", [Person.OWNER, Person.CHARLIE, Person.REVIEWER, Person.APPLICANT])
def test_nobody_else_finds_it(cast: Cast, person: Person) -> None:
    client = cast.client(person)
    assert client.get(DESK).status_code == 404
    assert client.post(PAUSE, {"domain": "", "reason": "x"}).status_code == 404
    assert client.post(RESUME, {"domain": ""}).status_code == 404
    assert not Pause.objects.exists()


def test_it_wants_the_second_factor(cast: Cast) -> None:
    answer = cast.client(Person.BARE_OPERATOR).get(DESK)
    assert answer.headers["Location"].startswith(reverse("second-factor"))
    assert cast.client(Person.ANONYMOUS).get(DESK).headers["Location"] == f"{reverse('login')}?next={DESK}"
