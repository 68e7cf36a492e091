"""What stands outside a sealed mail is its organisation's choice: stored once, with an event; Charlie's choice is Charlie's."""

from datetime import datetime

import pytest

from directory.models import DirectoryEvent, Organization
from mailer.models import SendingPolicy, SubjectPolicy
from mailer.policies import choose_subject, policy_of
from mailer.smime.errors import UnsafeCharacter

ALICE = "user:alice"


def choose(organization: Organization, now: datetime, subject: SubjectPolicy, words: str = "") -> SendingPolicy:
    return choose_subject(organization=organization, subject=subject, neutral_subject=words, actor=ALICE, at=now)


def test_without_a_choice_it_is_neutral_in_our_wording(bank: Organization) -> None:
    policy = policy_of(bank)
    assert (policy.subject, policy.neutral_subject) == (SubjectPolicy.NEUTRAL, "")
    assert not SendingPolicy.objects.exists()


def test_it_keeps_the_last_choice_and_an_event_of_each(bank: Organization, shop: Organization, now: datetime) -> None:
    choose(bank, now, SubjectPolicy.KEEP)
    choose(bank, now, SubjectPolicy.NEUTRAL, "Eine verschlüsselte Nachricht 您好")
    choose(bank, now, SubjectPolicy.NEUTRAL, "Eine verschlüsselte Nachricht 您好")
    policy = policy_of(bank)
    assert (policy.subject, policy.neutral_subject, policy.changed_at) == ("neutral", "Eine verschlüsselte Nachricht 您好", now)
    events = DirectoryEvent.objects.filter(verb="sending_policy.changed").order_by("id")
    assert [(event.actor, event.organization_id, event.detail["before"], event.detail["subject"]) for event in events] == [
        (ALICE, bank.pk, "neutral", "keep"),
        (ALICE, bank.pk, "keep", "neutral"),
    ]
    assert policy_of(shop).changed_at is None


@pytest.mark.parametrize("words", ["a\r\nBcc: charlie@shop.example.net", "a\nb", "a\x00b", "a\u2028b", "a\x85b"])
def test_it_takes_no_wording_that_could_end_a_header(words: str, bank: Organization, now: datetime) -> None:
    with pytest.raises(UnsafeCharacter):
        choose(bank, now, SubjectPolicy.NEUTRAL, words)
    assert not SendingPolicy.objects.exists()
    assert not DirectoryEvent.objects.filter(verb="sending_policy.changed").exists()
