"""Replacing a live certificate: its holder is told and has 48 hours to stop it."""

from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from django.test import Client

from directory.errors import RevokedCertificateError
from directory.lookup import encryption_certificates
from directory.models import AuthorityKind, Certificate, DirectoryEvent, Mailbox, Organization
from directory.publishing import revoke, supersede
from directory.x509.certificate import parse_certificate
from directory.x509.errors import OutOfTimeError
from mailer.models import Publication, PublicationStatus, Replacement, ReplacementStatus
from mailer.notices import deliver_notices
from mailer.replacing import WAIT, AlreadyWaitingError, EndedReplacementError, UnknownReplacementError, forget, publish_due, stop
from portal.running.inbox import InboxServer
from tests.mailer.foreign import ForeignAuthority, keep, trust
from tests.mailer.letters import ALICE, Desk, publish_for
from tests.mailer.replacements import DORA, TO, leaf, proven, published, statuses, stop_path, upload
from tests.pki import Authority, Holder, Usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(authority: Authority, now: datetime) -> Holder:
    """What Dora has live."""
    holder = leaf(authority, "dora")
    publish_for(holder, TO, at=now)
    return holder


@pytest.fixture
def new(authority: Authority) -> Holder:
    """A certificate of another key for the same use: Dora's next, or Charlie's, who reads her mailbox for an hour."""
    return leaf(authority, "charlie")


def fingerprint(holder: Holder) -> str:
    return parse_certificate(holder.der).fingerprint


def test_it_publishes_at_once_where_nothing_is_replaced(authority: Authority, now: datetime) -> None:
    first = leaf(authority, "dora", usage=Usage.SIGN)
    others = [leaf(authority, "dora's other", usage=Usage.ENCRYPT), leaf(authority, "dora", usage=Usage.SIGN)]
    for holder in (first, *others):  # the same use by the same key, or another use
        assert isinstance(proven(holder, now), Certificate)
    assert published() == {fingerprint(holder) for holder in (first, *others)}
    assert not Replacement.objects.exists()


def test_it_does_not_wait_for_what_has_run_out(authority: Authority, new: Holder, now: datetime) -> None:
    publish_for(leaf(authority, "dora", days=1), TO, at=now)
    assert isinstance(proven(new, now + timedelta(days=2)), Certificate)


def test_it_has_the_new_one_wait_and_tells_the_old_holder(inbox_server: InboxServer, desk: Desk, old: Holder, new: Holder, now: datetime) -> None:
    publication = upload(new, inbox_server, desk, now)
    assert (publication.status, publication.publish_at) == (PublicationStatus.WAITING, now + timedelta(hours=48))
    assert published() == {fingerprint(old)}
    assert Mailbox.objects.get().proven_at == now
    deliver_notices(at=now)
    told = inbox_server.inbox.mails(TO)[-1]
    assert told.sender == "<>"
    for words in (fingerprint(old), fingerprint(new), "48 hours"):
        assert words in told.content.decode().replace("=\r\n", "")


def test_it_publishes_when_nobody_has_stopped_it(inbox_server: InboxServer, desk: Desk, old: Holder, new: Holder, now: datetime) -> None:
    publication = upload(new, inbox_server, desk, now)
    assert publish_due(now + WAIT - timedelta(seconds=1)) == 0
    assert publish_due(now + WAIT) == 1
    assert statuses(old, new) == ["superseded", "published"]
    assert [found.fingerprint for found in encryption_certificates([DORA.match], at=now + WAIT)[DORA.match]] == [fingerprint(new)]
    publication.refresh_from_db()
    assert publication.status == PublicationStatus.PUBLISHED
    assert Replacement.objects.get().status == ReplacementStatus.PUBLISHED
    assert publish_due(now + WAIT) == 0
    verbs = list(DirectoryEvent.objects.filter(subject__startswith="replacement:").order_by("id").values_list("verb", flat=True))
    assert verbs == ["replacement.waiting", "replacement.published"]


def test_its_link_stops_it_once(inbox_server: InboxServer, desk: Desk, old: Holder, new: Holder, now: datetime) -> None:
    client = Client()
    publication = upload(new, inbox_server, desk, now)
    path = stop_path(inbox_server, now)
    page = client.get(path)
    assert page.status_code == HTTPStatus.OK
    assert Replacement.objects.get().status == ReplacementStatus.WAITING, "a GET stops nothing"
    assert client.post(path).status_code == HTTPStatus.OK
    assert publish_due(now + WAIT) == 0
    assert published() == {fingerprint(old)}
    publication.refresh_from_db()
    assert (publication.status, publication.reason) == (PublicationStatus.REFUSED, "stopped")
    for response in (client.get(path), client.post(path)):
        assert response.status_code == HTTPStatus.GONE


def test_its_link_is_not_guessed_by_charlie(inbox_server: InboxServer, client: Client, old: Holder, new: Holder, now: datetime) -> None:
    replacement = proven(new, now)
    assert isinstance(replacement, Replacement)
    for guess in (str(replacement.id), replacement.secret_digest, replacement.fingerprint, "x" * 43):
        assert client.post(f"/replacements/{guess}/").status_code == HTTPStatus.NOT_FOUND
        with pytest.raises(UnknownReplacementError):
            stop(guess, now)
    assert Client(enforce_csrf_checks=True).post(stop_path(inbox_server, now)).status_code == HTTPStatus.FORBIDDEN
    assert Replacement.objects.get().status == ReplacementStatus.WAITING
    assert statuses(old) == ["published"]


def test_charlie_cannot_take_the_old_one_out_of_the_way_first(inbox_server: InboxServer, old: Holder, new: Holder, now: datetime) -> None:
    """Whoever reads the mailbox could end it on the owner's page, and be at once in its place."""
    supersede(certificate=Certificate.objects.get(), actor="owner", at=now)
    assert isinstance(proven(new, now + timedelta(hours=47)), Replacement)
    page = Client().get(stop_path(inbox_server, now + timedelta(hours=47))).content.decode()
    assert "Ended just now" in page
    assert "In use now" not in page
    Replacement.objects.all().delete()
    revoke(certificate=Certificate.objects.get(), reason="key_compromise", actor="owner", at=now)
    assert isinstance(proven(new, now + timedelta(hours=47)), Replacement)
    Replacement.objects.all().delete()
    assert isinstance(proven(new, now + timedelta(hours=49)), Certificate)
    assert statuses(old, new) == ["revoked", "published"]


def test_it_keeps_what_the_new_one_cannot_do(authority: Authority, old: Holder, now: datetime) -> None:
    """Dora's old certificate signs and encrypts; the new one only signs, and mail must still be sealed to her."""
    signs = leaf(authority, "dora's next", usage=Usage.SIGN)
    assert isinstance(proven(signs, now), Replacement)
    publish_due(now + WAIT)
    assert statuses(old, signs) == ["published", "published"]


def test_it_waits_once_for_a_certificate(old: Holder, new: Holder, now: datetime) -> None:
    proven(new, now)
    with pytest.raises(AlreadyWaitingError):
        proven(new, now)
    assert Replacement.objects.count() == 1
    assert statuses(old) == ["published"]


def test_ten_wait_for_a_mailbox_at_most(authority: Authority, old: Holder, now: datetime) -> None:
    for number in range(10):
        proven(leaf(authority, f"charlie {number}"), now)
    with pytest.raises(AlreadyWaitingError):
        proven(leaf(authority, "charlie 10"), now)
    assert statuses(old) == ["published"]


def test_it_refuses_at_once_what_could_not_be_published_later(authority: Authority, old: Holder, new: Holder, now: datetime) -> None:
    with pytest.raises(OutOfTimeError):
        proven(leaf(authority, "charlie", days=0), now)
    publish_for(new, TO, at=now)
    revoke(certificate=Certificate.objects.get(fingerprint=fingerprint(new)), reason="key_compromise", actor=ALICE, at=now)
    with pytest.raises(RevokedCertificateError):
        proven(new, now)
    assert not Replacement.objects.exists()
    assert statuses(old) == ["published"]


def test_it_refuses_what_has_run_out_while_it_waited(inbox_server: InboxServer, desk: Desk, authority: Authority, old: Holder, now: datetime) -> None:
    short = leaf(authority, "charlie", days=1)
    publication = upload(short, inbox_server, desk, now)
    assert publish_due(now + WAIT) == 1
    publication.refresh_from_db()
    assert (publication.status, publication.reason) == (PublicationStatus.REFUSED, "out_of_time")
    assert published() == {fingerprint(old)}


def test_it_is_judged_once_more_when_its_time_has_come(old: Holder, now: datetime) -> None:
    """Its issuer has revoked it since: then it is not published, and the old one stays."""
    elsewhere = ForeignAuthority(now)
    trust(elsewhere.root, at=now)
    trust(elsewhere.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl(), at=now)
    holder = elsewhere.leaf(TO)
    assert isinstance(proven(holder, now), Replacement)
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl([holder], number=2), at=now + timedelta(hours=1))
    assert publish_due(now + WAIT) == 1
    row = Replacement.objects.get()
    assert (row.status, row.reason) == (ReplacementStatus.REFUSED, "revoked_certificate")
    assert published() == {fingerprint(old)}


def test_it_is_not_published_once_its_authority_is_revoked(old: Holder, now: datetime) -> None:
    elsewhere = ForeignAuthority(now)
    trust(elsewhere.root, at=now)
    trust(elsewhere.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl(), at=now)
    assert isinstance(proven(elsewhere.leaf(TO), now), Replacement)
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root, number=2), elsewhere.crl(number=2), at=now + timedelta(hours=1))
    assert publish_due(now + WAIT) == 1
    row = Replacement.objects.get()
    assert (row.status, row.reason) == (ReplacementStatus.REFUSED, "revoked_issuer")
    assert published() == {fingerprint(old)}


def test_what_an_organisation_was_issued_ends_by_revocation_alone(
    bank: Organization, shop: Organization, authority: Authority, new: Holder, now: datetime
) -> None:
    """Charlie, who reads the bank's mailbox, does not end its sending; and the bank finds him among its events."""
    issued = leaf(authority, "bank", usage=Usage.SIGN)
    proven(issued, now, organization=bank, source="issued")
    assert isinstance(proven(new, now), Replacement)
    assert DirectoryEvent.objects.filter(organization=bank, verb="replacement.announced").count() == 1
    assert not DirectoryEvent.objects.filter(organization=shop).exclude(verb__startswith="organization").exists()
    publish_due(now + WAIT)
    assert statuses(issued, new) == ["published", "published"]


def test_an_organisation_replaces_what_it_was_issued_itself_at_once(
    bank: Organization, shop: Organization, authority: Authority, now: datetime
) -> None:
    first, second, charlies = (leaf(authority, name, usage=Usage.SIGN) for name in ("bank", "bank's next", "charlie"))
    for holder in (first, second):
        assert isinstance(proven(holder, now, organization=bank, source="issued"), Certificate)
    assert isinstance(proven(charlies, now, organization=shop, source="issued"), Replacement)
    assert published() == {fingerprint(first), fingerprint(second)}


def test_an_erasure_stops_what_waits_and_forgets_whose_it_was(inbox_server: InboxServer, desk: Desk, old: Holder, new: Holder, now: datetime) -> None:
    publication = upload(new, inbox_server, desk, now)
    forget(DORA.match, actor="owner", at=now)
    row = Replacement.objects.get()
    assert (row.status, row.address, bytes(row.der), "@" in row.match) == (ReplacementStatus.STOPPED, "", b"", False)
    assert Publication.objects.get(pk=publication.pk).status == PublicationStatus.REFUSED
    assert publish_due(now + WAIT) == 0
    assert statuses(old) == ["published"]


def test_a_stopped_one_is_over(old: Holder, new: Holder, inbox_server: InboxServer, now: datetime) -> None:
    proven(new, now)
    secret = stop_path(inbox_server, now).split("/")[2]
    publish_due(now + WAIT)
    with pytest.raises(EndedReplacementError):
        stop(secret, now + WAIT)
    assert statuses(old, new) == ["superseded", "published"]
