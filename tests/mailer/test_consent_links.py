"""A yes proves the mailbox, so its link is at most 24 hours old (edge rule 14); an older one gets another, mailed to the same mailbox."""

from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from directory.models import DirectoryEvent, Mailbox
from mailer.collecting import LIFETIME, LINK_LIFETIME
from mailer.consenting import (
    ExpiredConsentError,
    OldConsentLinkError,
    UnknownConsentError,
    UsedConsentError,
    find_consent,
    give_consent,
    mail_new_link,
    refuse_consent,
)
from mailer.models import Consent, ConsentLink, ConsentStatus, Notice, Suppression
from mailer.notices import deliver_notices
from portal.running.inbox import InboxServer
from tests.mailer.replacements import path_in
from tests.mailer.test_collecting import DORA, Post, asked, post, published, secret, secret_of

__all__ = ["post", "secret"]
pytestmark = pytest.mark.django_db
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def mailed(inbox_server: InboxServer, at: datetime) -> str:
    """The secret of the newest link."""
    deliver_notices(at=at + SECOND)
    return path_in(inbox_server.inbox.mails(DORA)[-1].content, "consent").split("/")[2]


def test_a_link_publishes_for_24_hours_and_no_longer(secret: str, now: datetime) -> None:
    with pytest.raises(OldConsentLinkError):
        give_consent(secret, at=now + LINK_LIFETIME + SECOND)
    assert published() == []
    assert not Mailbox.objects.exists(), "nothing is proven"
    assert Consent.objects.get().status == ConsentStatus.AWAITING_CONSENT
    give_consent(secret, at=now + LINK_LIFETIME)
    assert Mailbox.objects.get().proven_at == now + LINK_LIFETIME


def test_an_old_one_gets_another_that_publishes(secret: str, inbox_server: InboxServer, now: datetime) -> None:
    later = now + timedelta(days=13)
    assert mail_new_link(secret, at=later) is not None
    new = mailed(inbox_server, later)
    assert new != secret
    with pytest.raises(OldConsentLinkError):
        give_consent(secret, at=later + SECOND)
    give_consent(new, at=later + DAY - SECOND)
    assert Mailbox.objects.get().proven_at == later + DAY - SECOND
    for used in (secret, new):
        with pytest.raises(UsedConsentError):
            find_consent(used, at=later + DAY)
    consent = Consent.objects.get()
    assert DirectoryEvent.objects.get(verb="consent.link_mailed").actor == f"consent:{consent.pk}"
    assert new not in str(ConsentLink.objects.values()), "stored as a digest"


def test_a_newer_link_lives_24_hours_as_well_and_the_question_14_days(secret: str, inbox_server: InboxServer, now: datetime) -> None:
    mail_new_link(secret, at=now + 2 * DAY)
    second = mailed(inbox_server, now + 2 * DAY)
    with pytest.raises(OldConsentLinkError):
        give_consent(second, at=now + 3 * DAY + SECOND)
    last = now + LIFETIME - SECOND
    mail_new_link(second, at=last)
    third = mailed(inbox_server, last)
    for over in (secret, second, third):
        with pytest.raises(ExpiredConsentError):
            give_consent(over, at=now + LIFETIME)
        with pytest.raises(ExpiredConsentError):
            mail_new_link(over, at=now + LIFETIME)
    assert published() == []


def test_it_mails_one_a_day_whoever_presses(secret: str, now: datetime) -> None:
    assert mail_new_link(secret, at=now + 2 * DAY) is not None
    assert mail_new_link(secret, at=now + 3 * DAY - SECOND) is None
    assert Notice.objects.filter(kind="consent").count() == 2
    assert mail_new_link(secret, at=now + 3 * DAY) is not None


def test_each_link_says_never_for_ever(secret: str, inbox_server: InboxServer, now: datetime) -> None:
    mail_new_link(secret, at=now + 2 * DAY)
    new = mailed(inbox_server, now + 2 * DAY)
    refuse_consent(new, at=now + timedelta(days=100))
    refuse_consent(secret, at=now + timedelta(days=100))
    assert Suppression.objects.count() == 1
    with pytest.raises(UsedConsentError):
        mail_new_link(secret, at=now + 5 * DAY)


def test_charlie_gets_no_mail_sent_by_guessing(secret: str, now: datetime) -> None:
    for guess in ("x" * 43, str(Consent.objects.get().pk), str(Consent.objects.get().secret_digest)):
        with pytest.raises(UnknownConsentError):
            mail_new_link(guess, at=now + 2 * DAY)
    assert Notice.objects.count() == 1
    assert secret


def test_the_page_of_an_old_link_mails_a_new_one(post: Post, inbox_server: InboxServer, client: Client) -> None:
    now = timezone.now()
    post.hand_in()
    old = secret_of(asked(inbox_server, now))
    Consent.objects.update(created_at=now - DAY - SECOND)
    page = client.get(f"/consent/{old}/")
    assert page.status_code == HTTPStatus.GONE
    assert "Mail me a new link" in page.text
    assert f"/consent/{old}/never/" in page.text
    assert Notice.objects.count() == 1, "a GET mails nothing"
    assert Client(enforce_csrf_checks=True).post(f"/consent/{old}/").status_code == HTTPStatus.FORBIDDEN
    assert "Look into your mailbox" in client.post(f"/consent/{old}/").text
    assert published() == []
    new = mailed(inbox_server, timezone.now())
    assert "Your certificate is published" in client.post(f"/consent/{new}/").text
