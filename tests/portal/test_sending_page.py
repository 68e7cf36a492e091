"""How an organisation sends: its owner and admins choose, the others are refused, and Charlie sees nothing."""

from datetime import datetime

import pytest
from django.urls import reverse

from directory.models import DirectoryEvent
from mailer.models import MessageStatus, Pause, SendingPolicy
from mailer.pausing import pause
from tests.portal.conftest import Letter
from tests.portal.people import Cast, Person


def url(cast: Cast, name: str = "sending") -> str:
    return reverse(name, args=[cast.organization.pk])


@pytest.mark.parametrize("person", [Person.OWNER, Person.ADMIN])
def test_it_stores_the_choice_with_who_made_it(person: Person, cast: Cast) -> None:
    client = cast.client(person)
    assert client.get(url(cast)).context["form"].initial["subject"] == "neutral"
    answer = client.post(url(cast), {"subject": "neutral", "neutral_subject": "Eine verschlüsselte Nachricht"}, follow=True)
    assert "Stored." in answer.text
    assert "Eine verschlüsselte Nachricht" in answer.text
    policy = SendingPolicy.objects.get(organization=cast.organization)
    assert (policy.subject, policy.neutral_subject) == ("neutral", "Eine verschlüsselte Nachricht")
    event = DirectoryEvent.objects.get(verb="sending_policy.changed")
    assert (event.actor, event.organization_id) == (cast.people[person].actor, cast.organization.pk)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"subject": "both", "neutral_subject": ""}, "subject"),
        ({"neutral_subject": ""}, "subject"),
        ({"subject": "neutral", "neutral_subject": "x" * 101}, "neutral_subject"),
        ({"subject": "neutral", "neutral_subject": "a\r\nBcc: charlie@shop.example.net"}, "neutral_subject"),
        ({"subject": "neutral", "neutral_subject": "a\u2028b"}, "neutral_subject"),
        ({"subject": "neutral", "neutral_subject": "a\x85b"}, "neutral_subject"),
    ],
)
def test_it_says_what_is_wrong_and_stores_nothing(given: dict[str, str], field: str, cast: Cast) -> None:
    page = cast.client(Person.OWNER).post(url(cast), given)
    assert list(page.context["form"].errors) == [field]
    assert "error-summary" in page.text
    assert not SendingPolicy.objects.exists()


def test_others_of_the_team_do_not_choose(cast: Cast) -> None:
    for person in (Person.DEVELOPER, Person.VIEWER):
        client = cast.client(person)
        assert client.get(url(cast)).status_code == 403
        assert client.post(url(cast), {"subject": "keep"}).status_code == 403
        assert url(cast) not in client.get(url(cast, "dashboard")).text
    assert url(cast) in cast.client(Person.ADMIN).get(url(cast, "dashboard")).text
    assert not SendingPolicy.objects.exists()


def test_it_pauses_and_goes_on_and_the_whole_team_sees_it(cast: Cast, letter: Letter) -> None:
    letter(status=MessageStatus.QUEUED)
    admin, viewer = cast.client(Person.ADMIN), cast.client(Person.VIEWER)
    page = admin.post(url(cast, "sending-pause"), {"reason": "wrong <amounts>"}, follow=True)
    assert page.context["paused"].paused_by == cast.people[Person.ADMIN].actor
    assert page.context["paused_by"] == cast.people[Person.ADMIN].name
    assert page.context["waiting"] == (1, False)
    for name in ("dashboard", "send-log", "certificate"):
        shown = viewer.get(url(cast, name)).text
        assert "Sending is paused" in shown
        assert "wrong &lt;amounts&gt;" in shown
        assert "Go on sending" not in shown
    assert "Go on sending" in admin.get(url(cast, "dashboard")).text
    admin.post(url(cast, "sending-pause"), {"reason": "again"})
    assert Pause.objects.get().reason == "wrong <amounts>"
    for _time in range(2):
        assert "Sending goes on." in admin.post(url(cast, "sending-resume"), follow=True).text
    assert "Sending is paused" not in viewer.get(url(cast, "dashboard")).text
    events = DirectoryEvent.objects.filter(verb__startswith="sending.").order_by("id")
    assert [(event.verb, event.organization_id) for event in events] == [
        ("sending.paused", cast.organization.pk),
        ("sending.resumed", cast.organization.pk),
    ]


def test_it_takes_no_reason_of_any_length(cast: Cast) -> None:
    page = cast.client(Person.OWNER).post(url(cast, "sending-pause"), {"reason": "x" * 301})
    assert page.status_code == 422
    assert page.context["pause_form"].errors
    assert not Pause.objects.exists()


def test_it_shows_what_the_operators_pause_and_does_not_end_it(cast: Cast, now: datetime) -> None:
    pause(reason="the relay is away", actor="user:olga", at=now)
    pause(domain="slow.example.org", reason="", actor="user:olga", at=now)
    client = cast.client(Person.OWNER)
    shown = client.get(url(cast, "dashboard")).text
    assert "All sending is paused by the operators" in shown
    assert "Letters to slow.example.org wait" in shown
    assert "olga" not in shown
    client.post(url(cast, "sending-resume"))
    assert Pause.objects.filter(resumed_at=None).count() == 2


def test_others_of_the_team_pause_nothing(cast: Cast, now: datetime) -> None:
    for person in (Person.DEVELOPER, Person.VIEWER):
        assert cast.client(person).post(url(cast, "sending-pause"), {"reason": ""}).status_code == 403
    assert not Pause.objects.exists()
    pause(organization=cast.organization, reason="", actor="user:alice", at=now)
    for person in (Person.DEVELOPER, Person.VIEWER):
        assert cast.client(person).post(url(cast, "sending-resume")).status_code == 403
    assert Pause.objects.filter(resumed_at=None).exists()


def test_charlie_pauses_charlies_alone(cast: Cast, now: datetime) -> None:
    charlie = cast.client(Person.CHARLIE)
    assert charlie.post(url(cast, "sending-pause"), {"reason": ""}).status_code == 404
    pause(organization=cast.organization, reason="not for Charlie", actor="user:alice", at=now)
    assert charlie.post(url(cast, "sending-resume")).status_code == 404
    charlie.post(reverse("sending-pause", args=[cast.charlies.pk]), {"reason": "Charlie's"})
    assert {row.organization_id for row in Pause.objects.filter(resumed_at=None)} == {cast.organization.pk, cast.charlies.pk}
    shown = charlie.get(reverse("dashboard", args=[cast.charlies.pk])).text
    assert "Charlie&#x27;s" in shown
    assert "not for Charlie" not in shown


def test_charlie_sees_and_changes_nothing(cast: Cast) -> None:
    charlie = cast.client(Person.CHARLIE)
    assert charlie.get(url(cast)).status_code == 404
    assert charlie.post(url(cast), {"subject": "keep"}).status_code == 404
    assert not SendingPolicy.objects.exists()
