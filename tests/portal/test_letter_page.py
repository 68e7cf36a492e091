"""The page of one letter: its story, what is kept, and taking it back before it is sealed; Charlie sees none of it."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from mailer.models import Message, MessageStatus, SendEvent
from mailer.recipients import envelope_for
from tests.portal.conftest import Letter, Published
from tests.portal.people import Cast, Person


def url(cast: Cast, message: Message, name: str = "message") -> str:
    return reverse(name, args=[cast.organization.pk, message.pk])


def test_it_tells_what_happened_to_a_letter(cast: Cast, letter: Letter, published: Published, now: datetime) -> None:
    certificate = published("dora@example.com", key="rsa2048")
    message = letter(certificate=certificate.fingerprint)
    for seconds, event in enumerate(("accepted", "sealing", "sealed", "handed")):
        SendEvent.objects.create(
            message=message, organization=cast.organization, at=now + timedelta(seconds=seconds), event=event, detail="<words>", actor="system:worker"
        )
    page = cast.client(Person.OWNER).get(reverse("message", args=[cast.organization.pk, message.pk]))
    assert [event.event for event in page.context["events"]] == ["accepted", "sealing", "sealed", "handed"]
    assert "RSA 2048, encrypts only" in page.text
    assert "&lt;words&gt;" in page.text
    assert "<words>" not in page.text
    assert page.text.index("Accepted") < page.text.index("Handed over", page.text.index("timeline"))


def test_it_says_of_a_held_letter_how_it_is_kept(cast: Cast, letter: Letter) -> None:
    message = letter(status=MessageStatus.HELD)
    page = cast.client(Person.OWNER).get(reverse("message", args=[cast.organization.pk, message.pk]))
    assert "encrypted at rest under a key of your organisation" in page.text
    assert page.context["kept"] == "content"


def test_it_shows_the_receipt_by_which_algorithms_and_why(cast: Cast, letter: Letter, published: Published, now: datetime) -> None:
    certificate = published("dora@example.com", key="rsa2048")
    message = letter(certificate=certificate.fingerprint)
    detail = f"{envelope_for([certificate]).receipt}; sha256 {'ab' * 32}"
    SendEvent.objects.create(message=message, organization=cast.organization, at=now, event="sealed", detail=detail, actor="system:worker")
    page = cast.client(Person.OWNER).get(url(cast, message))
    assert "Opens with" not in page.text
    for words in ("RSA PKCS #1 v1.5", "AES-256-CBC", "Nothing is known of the recipient&#x27;s program"):
        assert words in page.text
    assert "ab" * 32 not in page.text
    Message.objects.update(further_certificates="cd" * 32)
    assert "2 certificates of this recipient" in cast.client(Person.OWNER).get(url(cast, message)).text


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.HELD])
@pytest.mark.parametrize("person", [Person.OWNER, Person.ADMIN, Person.DEVELOPER])
def test_it_asks_and_then_takes_a_letter_back(status: MessageStatus, person: Person, cast: Cast, letter: Letter) -> None:
    message, client = letter(status=status), cast.client(person)
    asked = url(cast, message, "message-cancel")
    assert asked in client.get(url(cast, message)).text
    assert "Take back this letter?" in client.get(asked).text
    message.refresh_from_db()
    assert message.status == status
    page = client.post(asked, follow=True)
    assert "Taken back." in page.text
    assert asked not in page.text
    message.refresh_from_db()
    assert (message.status, message.content) == (MessageStatus.CANCELLED, None)
    event = SendEvent.objects.get(message=message)
    assert (event.event, event.actor) == ("cancelled", cast.people[person].actor)


@pytest.mark.parametrize("status", sorted(set(MessageStatus) - {MessageStatus.QUEUED, MessageStatus.HELD}))
def test_it_says_when_it_is_too_late(status: MessageStatus, cast: Cast, letter: Letter) -> None:
    message, client = letter(status=status), cast.client(Person.OWNER)
    asked = url(cast, message, "message-cancel")
    assert asked not in client.get(url(cast, message)).text
    for page in (client.get(asked, follow=True), client.post(asked, follow=True)):
        assert "It is too late" in page.text
    message.refresh_from_db()
    assert message.status == status
    assert not SendEvent.objects.exists()


def test_who_only_looks_takes_nothing_back(cast: Cast, letter: Letter) -> None:
    message, client = letter(status=MessageStatus.HELD), cast.client(Person.VIEWER)
    asked = url(cast, message, "message-cancel")
    assert asked not in client.get(url(cast, message)).text
    assert client.post(asked).status_code == 403
    message.refresh_from_db()
    assert message.status == MessageStatus.HELD


def test_charlie_takes_nothing_back(cast: Cast, letter: Letter) -> None:
    message, foreign = letter(status=MessageStatus.HELD), letter(status=MessageStatus.HELD, organization=cast.charlies)
    charlie = cast.client(Person.CHARLIE)
    assert charlie.post(url(cast, message, "message-cancel")).status_code == 404
    assert charlie.post(reverse("message-cancel", args=[cast.charlies.pk, message.pk])).status_code == 404
    assert cast.client(Person.OWNER).post(url(cast, foreign, "message-cancel")).status_code == 404
    assert {row.status for row in Message.objects.all()} == {MessageStatus.HELD}
