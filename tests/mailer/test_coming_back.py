"""Publishing anew after an erasure: what was live when it was erased is waited for as if it were replaced, and its owner may stop it."""

from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from django.test import Client

from directory.models import Certificate, DirectoryEvent
from directory.publishing import supersede
from mailer.answering import AnswerError
from mailer.forgetting import is_erased
from mailer.mailbox_erasing import erase_address
from mailer.models import PublicationStatus, Replacement, ReplacementStatus
from mailer.notices import deliver_notices
from mailer.replacing import ERASED_KEY, NO_KEY_LEFT, WAIT, accept_old_key, can_agree, challenge, publish_due
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, publish_for
from tests.mailer.replacements import DORA, TO, leaf, proven, published, stop_path, upload
from tests.pki import Authority, Holder

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
OWNER = "owner:test"


@pytest.fixture
def live(authority: Authority, now: datetime) -> Certificate:
    """What Dora has."""
    return publish_for(leaf(authority, "dora"), TO, at=now)


@pytest.fixture
def charlies(authority: Authority) -> Holder:
    """Charlie reads Dora's mailbox for an hour, and has a certificate that names it."""
    return leaf(authority, "charlie")


def erased(at: datetime) -> None:
    erase_address(DORA.match, actor=OWNER, at=at)


@pytest.mark.usefixtures("live")
def test_charlie_cannot_erase_and_be_at_once_in_its_place(inbox_server: InboxServer, desk: Desk, charlies: Holder, now: datetime) -> None:
    erased(now)
    publication = upload(charlies, inbox_server, desk, now + HOUR)
    assert (publication.status, publication.publish_at) == (PublicationStatus.WAITING, now + HOUR + WAIT)
    assert published() == set()
    path = stop_path(inbox_server, now + HOUR)
    told = inbox_server.inbox.mails(TO)[-1].content.decode().replace("=\r\n", "")
    assert "What this address had before was erased less than 48 hours ago." in told
    assert "signed by the old key" not in told, "no key is left to agree"
    page = Client().get(path).text
    assert "was erased less than 48 hours ago" in page
    assert "in use stays" not in page
    assert Client().post(path).status_code == HTTPStatus.OK
    assert publish_due(now + HOUR + WAIT) == 0
    assert published() == set()


@pytest.mark.usefixtures("live")
def test_what_was_stopped_has_not_opened_the_door(
    inbox_server: InboxServer, desk: Desk, authority: Authority, charlies: Holder, now: datetime
) -> None:
    """Neither does handing in twice, nor erasing once more when nothing is left."""
    erased(now)
    upload(charlies, inbox_server, desk, now + HOUR)
    assert is_erased(DORA.match), "while it waits"
    assert isinstance(proven(leaf(authority, "charlie's other"), now + HOUR), Replacement)
    Client().post(stop_path(inbox_server, now + HOUR))
    erased(now + HOUR)
    assert isinstance(proven(charlies, now + 47 * HOUR), Replacement)
    assert published() == set()


@pytest.mark.usefixtures("live")
def test_no_answer_ends_the_waiting(desk: Desk, inbox_server: InboxServer, charlies: Holder, now: datetime) -> None:
    """Nothing is left whose key could agree, so that any signature would do."""
    erased(now)
    publication = upload(charlies, inbox_server, desk, now)
    row = publication.replacement
    assert not can_agree(row, at=now)
    with pytest.raises(AnswerError) as caught:
        accept_old_key(row.id, challenge(row).encode(), at=now)
    assert caught.value.outcome == ERASED_KEY
    row.refresh_from_db()
    assert row.status == ReplacementStatus.WAITING


def test_what_was_withdrawn_just_before_counts_as_live(live: Certificate, charlies: Holder, now: datetime) -> None:
    supersede(certificate=live, actor=OWNER, at=now)
    erased(now + HOUR)
    assert isinstance(proven(charlies, now + 2 * HOUR), Replacement)


@pytest.mark.usefixtures("live")
def test_its_owner_comes_back_after_the_waiting(inbox_server: InboxServer, desk: Desk, charlies: Holder, now: datetime) -> None:
    """And is let in with it: collecting and importing may find the address again."""
    erased(now)
    publication = upload(charlies, inbox_server, desk, now)
    deliver_notices(at=now)
    assert publish_due(now + WAIT) == 1
    publication.refresh_from_db()
    assert publication.status == PublicationStatus.PUBLISHED
    assert published() == {publication.fingerprint}
    assert not is_erased(DORA.match)
    assert DirectoryEvent.objects.filter(verb="mailbox.let_in").count() == 1


@pytest.mark.usefixtures("live")
def test_two_days_after_the_erasure_nothing_waits(charlies: Holder, now: datetime) -> None:
    erased(now)
    assert isinstance(proven(charlies, now + WAIT), Certificate)


def test_nothing_waits_where_nothing_was_live(authority: Authority, charlies: Holder, now: datetime) -> None:
    """Nothing was ever published, or it had run out."""
    publish_for(leaf(authority, "dora", days=1), TO, at=now)
    erased(now + timedelta(days=2))
    assert isinstance(proven(charlies, now + timedelta(days=2) + HOUR), Certificate)


def test_nobody_agrees_for_what_ended_meanwhile(inbox_server: InboxServer, desk: Desk, live: Certificate, charlies: Holder, now: datetime) -> None:
    """Charlie took Dora's out 47 hours before: an hour later no key is left to ask, and octets that are no signature do not stand for it."""
    supersede(certificate=live, actor=OWNER, at=now)
    publication = upload(charlies, inbox_server, desk, now + 47 * HOUR)
    row = Replacement.objects.get()
    assert publication.status == PublicationStatus.WAITING
    later = now + WAIT + HOUR / 60
    assert not can_agree(row, at=later)
    with pytest.raises(AnswerError, match=NO_KEY_LEFT):
        accept_old_key(row.pk, b"junk", at=later)
    assert published() == set()
    assert publish_due(now + 47 * HOUR + WAIT) == 1
