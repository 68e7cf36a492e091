"""The owner's page: whoever reads the mailbox sees and changes what is published for it, and nobody else."""

import re
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from directory.models import Certificate, CertificateStatus, DirectoryEvent, Level, Mailbox, Source
from directory.publishing import erase, hide, publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.ca.shards import Reason
from mailer.inviting import is_suppressed
from mailer.mailbox_erasing import erase_address
from mailer.models import Consent, Issuance, IssuanceStatus, Notice, OwnerLink, Publication, Replacement, ReplacementStatus
from mailer.notices import deliver_notices
from mailer.proving import submit
from mailer.replacing import publish_or_wait
from portal.running.inbox import InboxServer
from tests.pki import Authority
from tests.portal.conftest import Published
from tests.portal.owners import DORA, TO, is_answered, link_to
from tests.portal.people import Cast, Person

pytestmark = pytest.mark.django_db


# Asking for a link


def test_it_mails_the_link_to_the_mailbox_alone(client: Client, inbox_server: InboxServer, published: Published) -> None:
    certificate = published(TO)
    assert "Look into your mailbox" in client.post("/mailbox/", {"email": TO}).text
    deliver_notices(at=timezone.now())
    (mail,) = inbox_server.inbox.mails(TO)
    found = re.search(r"/mailbox/[\w-]+/", mail.content.decode().replace("=\r\n", ""))
    assert found
    page = client.get(found[0])
    assert page.status_code == 200
    assert "Shown to whoever asks" in page.text
    assert certificate.fingerprint[:4] in page.text
    assert page.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_the_answer_is_the_same_whatever_is_known(client: Client, published: Published, now: datetime) -> None:
    """Known, hidden, erased, unknown, and with its three mails spent: the same bytes but for the address that was typed."""
    published("aaaa@example.com")
    hide(mailbox=published("bbbb@example.com").mailbox, actor="user:test", at=now)
    erase(mailbox=published("cccc@example.com").mailbox, actor="user:test", at=now)
    published("eeee@example.com")
    for _time in range(4):
        client.post("/mailbox/", {"email": "eeee@example.com"})
    answers = {client.post("/mailbox/", {"email": f"{letter * 4}@example.com"}).content.replace(letter.encode() * 4, b"xxxx") for letter in "abcde"}
    assert len(answers) == 1


def test_it_mails_nobody_of_whom_nothing_is_held(client: Client, published: Published, now: datetime) -> None:
    """Charlie has a list of addresses; those that are not ours are left in peace, and what is left of asking names nobody."""
    erase(mailbox=published("erased@example.com").mailbox, actor="user:test", at=now)
    for address in ("nobody@example.com", "erased@example.com"):
        assert client.post("/mailbox/", {"email": address}).status_code == 200
    assert not Notice.objects.exists()
    assert not OwnerLink.objects.exists()
    assert not DirectoryEvent.objects.filter(verb="owner_link.mailed").exists()
    assert DirectoryEvent.objects.filter(verb="owner_link.not_mailed").count() == 2


@pytest.mark.parametrize("held", ["hidden", "publication", "replacement", "consent"])
def test_it_mails_who_has_something_to_see(client: Client, published: Published, now: datetime, held: str) -> None:
    if held == "hidden":
        hide(mailbox=published(TO).mailbox, actor="user:test", at=now)
    elif held == "publication":
        submit(address=DORA, der=Authority().leaf(TO).der, organization=None, actor="user:test", at=timezone.now())
        Notice.objects.all().delete()
    elif held == "replacement":
        published(TO)
        erase_address(DORA.match, actor="user:test", at=now)
        waiting(now)
        Notice.objects.all().delete()
    else:
        Consent.objects.create(
            address=DORA.address, match=DORA.match, signer_der=Authority().leaf(TO).der, secret_digest="0" * 64,
            actor="user:test", created_at=now, expires_at=timezone.now() + timedelta(days=14),
        )  # fmt: skip
    client.post("/mailbox/", {"email": TO})
    assert [(notice.kind, notice.match) for notice in Notice.objects.all()] == [("owner_link", DORA.match)]


def test_it_does_as_much_where_no_mail_goes(client: Client, published: Published) -> None:
    """Else the time that it takes would tell what is held: the same statements, but for which savepoint ends how and what the event is called."""

    def statements(address: str) -> list[str]:
        with CaptureQueriesContext(connection) as asked:
            client.post("/mailbox/", {"email": address})
        words = [query["sql"].partition("(")[0][:30] for query in asked.captured_queries]
        return [word for word in words if not word.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))]

    published("known@example.com")
    statements("known@example.com")  # makes the portal's key
    once = statements("known@example.com")
    assert any("INSERT" in word for word in once)
    statements("known@example.com")
    spent = statements("known@example.com")
    unknown = statements("nobody@example.com")
    assert Notice.objects.count() == 3
    assert unknown == spent
    # The event of the link that is taken back goes with it, and another is left.
    assert len(unknown) - len(once) == 1


def test_it_mails_three_in_a_day_whoever_asks(client: Client, published: Published) -> None:
    published(TO)
    for _time in range(5):
        assert client.post("/mailbox/", {"email": TO}).status_code == 200
    assert Notice.objects.filter(kind="owner_link").count() == 3


def test_it_draws_on_the_quota_of_look_ups(client: Client, settings: Settings, published: Published) -> None:
    """Else Charlie could have mails sent to a whole list of addresses."""
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 2
    for number in range(3):
        published(f"n{number}@example.com")
    there = f"2001:db8:{secrets.token_hex(2)}::1"
    answers = [client.post("/mailbox/", {"email": f"n{number}@example.com"}, REMOTE_ADDR=there) for number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert Notice.objects.count() == 2


@pytest.mark.parametrize("typed", ["", "dora", "a b@example.com", "x@example.com\r\nBcc: y@example.com"])
def test_it_explains_what_is_no_address(client: Client, typed: str) -> None:
    answer = client.post("/mailbox/", {"email": typed})
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert not Notice.objects.exists()


# What can be done


def test_it_hides_and_shows(client: Client, published: Published) -> None:
    published(TO)
    path = link_to(TO)
    page = client.post(path, {"do": "hide"}, follow=True)
    assert "Hidden since" in page.text
    assert not is_answered()
    page = client.post(path, {"do": "show"}, follow=True)
    assert "Shown to whoever asks" in page.text
    assert is_answered()
    link = OwnerLink.objects.get()
    events = DirectoryEvent.objects.filter(actor=f"owner:{link.id}").order_by("id")
    assert list(events.values_list("verb", flat=True)) == ["mailbox.hidden", "mailbox.shown"]


def test_it_takes_one_out_and_leaves_the_others(client: Client, published: Published) -> None:
    out, stays = published(TO), published(TO, key="rsa2048")
    client.post(link_to(TO), {"do": "withdraw", "certificate": out.pk})
    out.refresh_from_db()
    stays.refresh_from_db()
    assert (out.status, stays.status) == (CertificateStatus.SUPERSEDED, CertificateStatus.PUBLISHED)


@pytest.mark.parametrize("reason", list(Reason))
def test_it_revokes_with_each_reason(client: Client, published: Published, reason: Reason) -> None:
    certificate = published(TO)
    client.post(link_to(TO), {"do": "revoke", "certificate": certificate.pk, "reason": reason.value})
    certificate.refresh_from_db()
    assert (certificate.status, certificate.revocation_reason) == (CertificateStatus.REVOKED, reason.value)


def test_it_revokes_in_the_ledger_what_was_issued_here(client: Client, cast: Cast, now: datetime) -> None:
    holder = Authority().leaf(TO)
    certificate = publish(
        address=DORA,
        parsed=parse_certificate(holder.der),
        level=Level.V3,
        source=Source.ISSUED,
        organization=cast.organization,
        actor="user:test",
        at=now,
    )
    issuance = Issuance.objects.create(
        organization=cast.organization, profile="test", address=TO, status=IssuanceStatus.ISSUED, serial=f"{int(certificate.serial, 16):x}",
        certificate=holder.der, actor="user:test", created_at=now, issued_at=now,
    )  # fmt: skip
    client.post(link_to(TO), {"do": "revoke", "certificate": certificate.pk, "reason": Reason.KEY_COMPROMISE.value})
    issuance.refresh_from_db()
    certificate.refresh_from_db()
    assert (issuance.status, issuance.revocation_reason) == (IssuanceStatus.REVOKED, Reason.KEY_COMPROMISE)
    assert certificate.status == CertificateStatus.REVOKED


def test_it_says_that_something_has_changed_meanwhile(client: Client, published: Published) -> None:
    """Two tabs: what is revoked in one cannot be withdrawn in the other."""
    certificate, path = published(TO), link_to(TO)
    client.post(path, {"do": "revoke", "certificate": certificate.pk})
    for again in ("withdraw", "revoke"):
        assert "has changed meanwhile" in client.post(path, {"do": again, "certificate": certificate.pk}, follow=True).text


def test_it_hands_in_another(client: Client, published: Published) -> None:
    published(TO)
    path = link_to(TO)
    answer = client.post(f"{path}certificate/", {"certificate": SimpleUploadedFile("a.crt", Authority().leaf(TO, "rsa2048").der)})
    assert answer.status_code == 202
    assert "a mail that is sealed to your certificate" in answer.text
    publication = Publication.objects.get()
    assert (publication.match, publication.actor) == (DORA.match, f"owner:{OwnerLink.objects.get().id}")
    assert publication.organization is None
    assert "A certificate waits for your proof" in client.get(path).text


def test_it_hands_in_nothing_for_another_mailbox(client: Client) -> None:
    charlies = Authority().leaf("charlie@example.net").der
    answer = client.post(f"{link_to(TO)}certificate/", {"certificate": SimpleUploadedFile("a.crt", charlies)})
    assert answer.status_code == 422
    assert "names another e-mail address" in answer.text
    assert not Publication.objects.exists()


def waiting(at: datetime, address: str = TO) -> Replacement:
    new = parse_certificate(Authority().leaf(address, "p384").der)
    row = publish_or_wait(address=EmailAddress.parse(address), parsed=new, level="external", source="uploaded", actor="user:test", at=at)
    assert isinstance(row, Replacement)
    return row


def test_it_stops_what_would_replace(client: Client, published: Published, now: datetime) -> None:
    published(TO)
    row, path = waiting(now), link_to(TO)
    assert "about to replace yours" in client.get(path).text
    assert "Stopped." in client.post(path, {"do": "stop", "replacement": row.pk}, follow=True).text
    row.refresh_from_db()
    assert row.status == ReplacementStatus.STOPPED
    assert "has changed meanwhile" in client.post(path, {"do": "stop", "replacement": row.pk}, follow=True).text
    assert DirectoryEvent.objects.get(verb="replacement.stopped").actor == f"owner:{OwnerLink.objects.get().id}"


def test_it_refuses_collecting_for_ever(client: Client) -> None:
    path = link_to(TO)
    assert "never write to this address unasked" in client.post(path, {"do": "never"}, follow=True).text
    assert is_suppressed(DORA.match)
    client.post(path, {"do": "never"})
    assert DirectoryEvent.objects.filter(verb="owner.never_again").count() == 1


def test_it_erases_after_a_second_question(client: Client, published: Published) -> None:
    published(TO)
    path = link_to(TO)
    question = client.get(f"{path}erase/")
    assert "for every past moment" in question.text
    for honest in ("up to 60 seconds", "Backups keep it until they expire", "published 48 hours later"):
        assert honest in question.text
    assert is_answered(), "asking erases nothing"
    assert "Everything is erased" in client.post(f"{path}erase/").text
    assert not is_answered()
    assert client.get(path).status_code == 404, "the link went with it"
    again = client.get(link_to(TO)).text
    assert "Nothing is published for this address" in again


@pytest.mark.parametrize(
    ("do", "subject"),
    [
        ("withdraw", "Your certificate was taken out of the directory"),
        ("revoke", "Your certificate was revoked"),
        ("erase", "Your mailbox was erased from the directory"),
    ],
)
def test_what_ends_a_certificate_is_told_to_the_mailbox(
    client: Client, inbox_server: InboxServer, published: Published, do: str, subject: str
) -> None:
    """Charlie read Dora's mail for some minutes: she finds out, and nothing of an erased address is kept once she has been told."""
    certificate, path = published(TO), link_to(TO)
    if do == "erase":
        client.post(f"{path}erase/")
    else:
        client.post(path, {"do": do, "certificate": certificate.pk})
    deliver_notices(at=timezone.now())
    (mail,) = inbox_server.inbox.mails(TO)
    words = mail.content.replace(b"=\r\n", b"")
    assert f"Subject: {subject}".encode() in words
    assert b"/publish/" in words
    assert (certificate.fingerprint.encode() in words) == (do != "erase")
    assert not Notice.objects.exclude(kind__in=["owner_change", "last_mail"]).exists()
    assert Notice.objects.get().match == ("" if do == "erase" else DORA.match)


def test_an_erasure_of_nothing_mails_nobody(client: Client) -> None:
    client.post(f"{link_to(TO)}erase/")
    assert not Notice.objects.exists()


def test_each_change_proves_the_mailbox_and_a_look_does_not(client: Client, published: Published) -> None:
    """Programs follow links in mails; they press no buttons."""
    published(TO)
    path = link_to(TO)
    for page in (path, f"{path}erase/", f"{path}certificate/"):
        client.get(page)
    assert Mailbox.objects.get().proven_at is None
    client.post(path, {"do": "hide"})
    assert Mailbox.objects.get().proven_at is not None


# Charlie


def changes(certificate: Certificate, row: Replacement) -> list[dict[str, Any]]:
    return [
        {"do": "withdraw", "certificate": certificate.pk},
        {"do": "revoke", "certificate": certificate.pk, "reason": "key_compromise"},
        {"do": "stop", "replacement": row.pk},
    ]


def test_charlies_link_changes_nothing_of_doras(client: Client, published: Published, now: datetime) -> None:
    certificate = published(TO)
    row, path = waiting(now), link_to("charlie@example.net")
    assert certificate.fingerprint[:4] not in client.get(path).text
    for change in changes(certificate, row):
        assert client.post(path, change).status_code == 404
    client.post(path, {"do": "hide"})
    client.post(f"{path}erase/")
    certificate.refresh_from_db()
    row.refresh_from_db()
    assert (certificate.status, row.status) == (CertificateStatus.PUBLISHED, ReplacementStatus.WAITING)
    assert is_answered()
    assert not DirectoryEvent.objects.filter(actor__startswith="owner:", verb__startswith="certificate").exists()


def test_an_organisation_hides_nobody_elses_mailbox(cast: Cast, published: Published) -> None:
    """Charlie's owner is signed in, with a second factor: a session means nothing here, the mailed link alone counts."""
    published(TO)
    client = cast.client(Person.CHARLIE)
    for guess in (secrets.token_urlsafe(32), str(uuid.uuid4()), DORA.match.replace("@", "-").replace(".", "-")):
        for page in ("", "erase/", "certificate/"):
            assert client.post(f"/mailbox/{guess}/{page}", {"do": "hide"}).status_code == 404
    assert is_answered()


def test_neither_the_id_nor_the_stored_hash_of_a_link_opens_it(client: Client, published: Published) -> None:
    published(TO)
    link_to(TO)
    link = OwnerLink.objects.get()
    for guess in (str(link.id), link.secret_digest):
        assert client.get(f"/mailbox/{guess}/").status_code == 404


def test_an_old_link_opens_nothing(client: Client, published: Published, now: datetime) -> None:
    published(TO)
    path = link_to(TO, at=now - timedelta(hours=24, seconds=1))
    for page in ("", "erase/", "certificate/"):
        assert client.get(path + page).status_code == 410
        assert client.post(path + page, {"do": "hide"}).status_code == 410
    assert is_answered()


def test_it_takes_no_form_from_another_site(published: Published) -> None:
    published(TO)
    path = link_to(TO)
    for page in ("", "erase/", "certificate/"):
        assert Client(enforce_csrf_checks=True).post(path + page, {"do": "hide"}).status_code == 403
    assert Client(enforce_csrf_checks=True).post("/mailbox/", {"email": TO}).status_code == 403
    assert is_answered()


@pytest.mark.parametrize(
    "form",
    [{}, {"do": "drop"}, {"do": "withdraw", "certificate": "1; DROP"}, {"do": "withdraw", "certificate": 2**70}, {"do": "stop", "replacement": "x"}],
)
def test_it_does_nothing_with_what_it_cannot_read(client: Client, published: Published, form: dict[str, Any]) -> None:
    published(TO)
    assert "Nothing was changed" in client.post(link_to(TO), form, follow=True).text
    assert is_answered()


@pytest.mark.parametrize("form", [{"do": "withdraw"}, {"do": "revoke"}, {"do": "stop"}, {"do": "hide"}])
def test_it_finds_nothing_where_nothing_is_named(client: Client, form: dict[str, Any]) -> None:
    assert client.post(link_to(TO), form).status_code == 404


def test_the_secret_stands_in_no_row(client: Client, published: Published) -> None:
    published(TO)
    secret = secrets.token_urlsafe(32)
    client.post(link_to(TO, secret), {"do": "hide"})
    assert secret not in "".join(str(vars(row)) for table in (OwnerLink, DirectoryEvent, Notice) for row in table.objects.all())
