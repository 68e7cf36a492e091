"""How an organisation sends: its owner and admins choose, the others are refused, and Charlie sees nothing."""

import pytest
from django.urls import reverse

from directory.models import DirectoryEvent
from mailer.models import SendingPolicy
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


def test_charlie_sees_and_changes_nothing(cast: Cast) -> None:
    charlie = cast.client(Person.CHARLIE)
    assert charlie.get(url(cast)).status_code == 404
    assert charlie.post(url(cast), {"subject": "keep"}).status_code == 404
    assert not SendingPolicy.objects.exists()
