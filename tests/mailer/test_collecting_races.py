"""Contributions and answers that come at once: one mail, one answer."""

import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection

from directory.models import Certificate, CertificateStatus
from mailer.collecting import contribute
from mailer.consenting import ConsentError, give_consent, refuse_consent
from mailer.inviting import digest_of, invite
from mailer.models import Consent, ConsentStatus, Notice, SigningIdentity, Suppression
from tests.mailer.test_collecting import ADDRESS, Post, post

__all__ = ["post"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "s" * 43


def race(*runners: Callable[[], object]) -> list[object]:
    """Each in a thread with a connection of its own, all let go at once; what each gave, or its named error."""
    start = threading.Barrier(len(runners))
    ended: list[object] = [None] * len(runners)

    def run(place: int) -> None:
        try:
            start.wait(30)
            ended[place] = runners[place]()
        except ConsentError as error:
            ended[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return ended


def test_many_contributions_at_once_make_one_mail(post: Post, offers: SigningIdentity, now: datetime) -> None:
    """With an invitation of Charlie's in between: they share one budget."""
    message = post.signed()

    def hand_in() -> Consent:
        return contribute(message, organization=post.bank, actor="token:1", at=now, texts=lambda _name: [])

    ended = race(*[hand_in] * 5, lambda: invite(address=ADDRESS, organization=offers.organization, actor="user:charlie", at=now))
    assert all(isinstance(one, Consent) and one.status == ConsentStatus.AWAITING_CONSENT for one in ended[:5])
    assert Notice.objects.count() == 1
    assert Consent.objects.count() == 5


@pytest.mark.parametrize("answers", [("yes", "yes"), ("yes", "no"), ("no", "no"), ("yes", "yes", "no", "no")])
def test_one_answer_counts(answers: tuple[str, ...], post: Post, now: datetime) -> None:
    post.hand_in()
    Consent.objects.update(secret_digest=digest_of(SECRET))
    runners = {"yes": lambda: give_consent(SECRET, at=now), "no": lambda: refuse_consent(SECRET, at=now)}
    ended = race(*(runners[answer] for answer in answers))
    given = sum(isinstance(one, tuple) for one in ended)
    consent = Consent.objects.get()
    assert given == (consent.status == ConsentStatus.GIVEN)
    assert Certificate.objects.filter(status=CertificateStatus.PUBLISHED).count() == given
    assert Suppression.objects.exists() is ("no" in answers), "a no is kept, whichever was first"
    assert consent.status != ConsentStatus.AWAITING_CONSENT
