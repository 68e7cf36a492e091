"""Two at once, on a real PostgreSQL: of two publications one waits, nothing is published twice, and what was stopped is not published."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from django.db import connection

from directory.models import Certificate, Change, DirectoryEvent
from directory.x509.certificate import parse_certificate
from mailer.models import Publication, PublicationStatus, Replacement, ReplacementStatus
from mailer.notices import deliver_notices
from mailer.proving import MOST_WRONG_CODES, ProvingError, TooManyProofsError, UsedProofError, WrongCodeError, confirm, confirm_code, submit
from mailer.replacing import WAIT, EndedReplacementError, ReplacementError, publish_due, stop
from portal.running.inbox import InboxServer
from tests.mailer.letters import ALICE, CHARLIE, Desk, publish_for
from tests.mailer.replacements import DORA, TO, leaf, path_in, proven, published, statuses, stop_path
from tests.pki import Authority

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run the acts in threads that start together; what each gave back, or the named error it raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            barrier.wait(10)
            return act()
        except (ProvingError, ReplacementError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_first_publications_of_one_address_one_waits(authority: Authority, now: datetime) -> None:
    for turn in range(4):
        Certificate.objects.all().delete()
        Replacement.objects.all().delete()
        pair = [leaf(authority, f"{name} {turn}") for name in ("dora", "charlie")]
        done = at_once(lambda: proven(pair[0], now), lambda: proven(pair[1], now))  # noqa: B023 - run at once
        assert sorted(type(one).__name__ for one in done) == ["Certificate", "Replacement"]
        assert len(published()) == 1


def test_a_link_that_is_pressed_twice_at_once_publishes_once(authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    holder = leaf(authority, "dora")
    submit(address=DORA, der=holder.der, organization=None, actor=ALICE, at=now)
    deliver_notices(at=now)
    secret = path_in(desk.decrypt(inbox_server.inbox.mails(TO)[-1].content, holder), "publications").split("/")[2]
    done = at_once(*[lambda: confirm(secret, at=now)] * 4)
    assert sum(isinstance(one, Publication) for one in done) == 1
    assert sum(isinstance(one, UsedProofError) for one in done) == 3
    assert Certificate.objects.count() == Change.objects.count() == 1
    assert DirectoryEvent.objects.filter(verb="publication.published").count() == 1


def test_wrong_codes_at_once_are_all_counted(authority: Authority, now: datetime) -> None:
    """Charlie does not get more than five by asking at the same time."""
    publication = submit(address=DORA, der=leaf(authority, "dora").der, organization=None, actor=CHARLIE, at=now)
    done = at_once(*[lambda: confirm_code(publication.id, "2222-2222", at=now)] * 8)
    assert sum(isinstance(one, WrongCodeError) for one in done) == MOST_WRONG_CODES
    publication.refresh_from_db()
    assert (publication.status, publication.wrong_codes) == (PublicationStatus.REFUSED, MOST_WRONG_CODES)


def test_proofs_asked_for_at_once_are_all_counted(authority: Authority, now: datetime) -> None:
    der = leaf(authority, "dora").der
    done = at_once(*[lambda: submit(address=DORA, der=der, organization=None, actor=CHARLIE, at=now)] * 6)
    assert sum(isinstance(one, TooManyProofsError) for one in done) == 3
    assert Publication.objects.count() == 3


def test_it_is_stopped_or_published_and_never_both(authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    for turn in range(4):
        old, new = leaf(authority, f"dora {turn}"), leaf(authority, f"charlie {turn}")
        Certificate.objects.all().delete()
        publish_for(old, TO, at=now)
        proven(new, now)
        secret = stop_path(inbox_server, now).split("/")[2]
        stopped, ended, again = at_once(lambda: stop(secret, now + WAIT), lambda: publish_due(now + WAIT), lambda: publish_due(now + WAIT))  # noqa: B023
        row = Replacement.objects.get(fingerprint=parse_certificate(new.der).fingerprint)
        if isinstance(stopped, EndedReplacementError):
            assert row.status == ReplacementStatus.PUBLISHED
            assert statuses(old, new) == ["superseded", "published"]
            assert {ended, again} == {0, 1}
        else:
            assert row.status == ReplacementStatus.STOPPED
            assert statuses(old, new) == ["published", ""]
            assert ended == again == 0
