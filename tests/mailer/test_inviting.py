"""Invitations: one budget a mailbox across all senders, nothing of what waits, and "never again" for ever."""

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from http import HTTPStatus

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from directory.models import Organization, OrganizationStatus
from directory.x509.names import EmailAddress
from mailer.inviting import invite
from mailer.models import Invitation, Notice, NoticeStatus, Publication, SigningIdentity, Suppression
from mailer.notices import deliver_notices
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk, letter, send

TO = "Dora.NoKey@people.example.net"
DORA = EmailAddress.parse(TO)


def ask(organization: Organization, at: datetime) -> Invitation | None:
    return invite(address=DORA, organization=organization, actor="user:alice", at=at)


def invitation_mail(inbox_server: InboxServer, now: datetime) -> EmailMessage:
    deliver_notices(at=now + timedelta(seconds=10))
    (mail,) = inbox_server.inbox.mails(TO)
    assert mail.sender == "<>", "the null return path"
    parsed = message_from_bytes(mail.content, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def link(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(r"http://127\.0\.0\.1:8000(/invitations/[\w-]+/)\s", body.get_content())
    assert found
    return found[1]


def test_it_names_the_organisation_and_its_level_and_nothing_of_the_letter(bills: SigningIdentity, inbox_server: InboxServer, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    drain(at=now)
    mail = invitation_mail(inbox_server, now)
    whole = mail.as_string()
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    for body in (plain.get_content(), html.get_content()):
        assert "Muster Bank AG" in body
        assert "V4" in body
        assert "NTRDE-DER3306.HRB12345" in body
    for words in (SECRET_WORDS, SUBJECT, "bills@", "ref-"):
        assert words not in whole
    assert "http" not in str(mail["From"])
    assert mail["Auto-Submitted"] == "auto-generated"


def test_it_invites_once_in_seven_days_across_all_senders(bank: Organization, shop: Organization, now: datetime) -> None:
    assert ask(bank, now)
    assert ask(bank, now + timedelta(days=6, hours=23)) is None
    assert ask(shop, now + timedelta(days=6, hours=23)) is None
    assert ask(shop, now + timedelta(days=7, seconds=1))


def test_it_invites_three_times_unanswered_and_then_never(bank: Organization, shop: Organization, now: datetime) -> None:
    given = [ask(organization, now + timedelta(days=8 * week)) for week, organization in enumerate((bank, shop, bank, shop, bank))]
    assert [invitation is not None for invitation in given] == [True, True, True, False, False]
    assert ask(shop, now + timedelta(days=3650)) is None


def test_it_counts_a_mailbox_however_it_is_spelt(bank: Organization, now: datetime) -> None:
    assert ask(bank, now)
    assert invite(address=EmailAddress.parse("dora.nokey@PEOPLE.example.net"), organization=bank, actor="user:alice", at=now) is None


def test_it_invites_for_active_organisations_alone(bank: Organization, now: datetime) -> None:
    bank.status = OrganizationStatus.SUSPENDED
    assert ask(bank, now) is None


@pytest.mark.django_db(transaction=True)
def test_it_keeps_the_budget_when_many_ask_at_once(bank: Organization, shop: Organization, now: datetime) -> None:
    start = threading.Barrier(8)

    def race(organization: Organization) -> None:
        start.wait()
        try:
            ask(organization, now)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(organization,)) for organization in (bank, shop) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Invitation.objects.count() == Notice.objects.count() == 1


def test_it_unsubscribes_by_one_post_without_cookies(bank: Organization, shop: Organization, inbox_server: InboxServer, now: datetime) -> None:
    """RFC 8058: the mail program POSTs to the header's address; a GET, as a virus scanner makes it, changes nothing."""
    ask(bank, now)
    mail = invitation_mail(inbox_server, now)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = mail["List-Unsubscribe"].strip("<>").removeprefix("http://127.0.0.1:8000")
    program = Client(enforce_csrf_checks=True)
    assert program.get(path).status_code == HTTPStatus.OK
    assert not Suppression.objects.exists()
    for _again in range(2):
        response = program.post(path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
        assert response.status_code == HTTPStatus.OK
        assert not response.cookies
    assert ask(shop, now + timedelta(days=3650)) is None
    assert TO.lower() not in Suppression.objects.get().digest


def test_it_writes_the_unsubscribe_address_unbroken_and_plain(bank: Organization, inbox_server: InboxServer, now: datetime) -> None:
    """RFC 2369 section 2: no encoded words; mail programs that find one show no button."""
    ask(bank, now)
    deliver_notices(at=now + timedelta(seconds=10))
    (mail,) = inbox_server.inbox.mails(TO)
    head = mail.content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    (line,) = [line for line in head if line.lower().startswith(b"list-unsubscribe:")]
    assert re.fullmatch(rb"List-Unsubscribe: <http://127\.0\.0\.1:8000/invitations/[\w-]{43}/never/>", line)


def test_it_suppresses_nobody_for_charlies_guess(bank: Organization, client: Client, now: datetime) -> None:
    ask(bank, now)
    for guess in ("x" * 43, "0", "a-b_c"):
        assert client.get(f"/invitations/{guess}/").status_code == HTTPStatus.NOT_FOUND
        assert client.post(f"/invitations/{guess}/never/").status_code == HTTPStatus.NOT_FOUND
    assert not Suppression.objects.exists()


def test_it_shows_who_asks_and_takes_a_certificate(bank: Organization, inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    ask(bank, now)
    path = link(invitation_mail(inbox_server, now))
    page = client.get(path)
    assert page.status_code == HTTPStatus.OK
    assert "Muster Bank AG" in page.content.decode()
    assert not Publication.objects.exists()
    holder = desk.authority.leaf(TO)
    (desk.folder / "c.pem").write_bytes(holder.pem)
    with (desk.folder / "c.pem").open("rb") as file:
        response = client.post(path, {"certificate": file})
    assert response.status_code == HTTPStatus.ACCEPTED
    publication = Publication.objects.get()
    assert (publication.address, publication.organization) == (TO, None)
    deliver_notices(at=now + timedelta(minutes=1))
    proof = inbox_server.inbox.mails(TO)[-1]
    assert b"/publications/" in desk.decrypt(proof.content, holder)


UPLOADS: dict[str, tuple[Callable[[Desk], bytes], str]] = {
    "another's": (lambda desk: desk.authority.leaf("charlie@shop.example.net").pem, "names another e-mail address"),
    "key": (lambda desk: desk.authority.leaf(TO).key_pem, "private key"),
    "text": (lambda _desk: b"no certificate", "not a certificate"),
    "empty": (lambda _desk: b"", "empty"),
    "root": (lambda desk: desk.authority.root.pem, "names another e-mail address"),
    "huge": (lambda _desk: b"0" * (1024 * 1024 + 1), "too large"),
}


@pytest.mark.parametrize("upload", UPLOADS)
def test_it_says_what_is_wrong_with_an_upload(upload: str, bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    make, words = UPLOADS[upload]
    ask(bank, now)
    path = link(invitation_mail(inbox_server, now))
    (desk.folder / "c").write_bytes(make(desk))
    with (desk.folder / "c").open("rb") as file:
        response = Client().post(path, {"certificate": file})
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert words in response.content.decode()
    assert not Publication.objects.exists()


def test_it_ends_invitations_after_thirty_days(bank: Organization, inbox_server: InboxServer, client: Client, now: datetime) -> None:
    ask(bank, now)
    path = link(invitation_mail(inbox_server, now))
    Invitation.objects.update(created_at=now - timedelta(days=31))
    assert client.get(path).status_code == HTTPStatus.GONE
    assert client.post(f"{path}never/").status_code == HTTPStatus.OK, "but never again works for ever"


def test_it_keeps_the_mail_encrypted_and_forgets_it_when_sent(
    bank: Organization, inbox_server: InboxServer, settings: Settings, now: datetime
) -> None:
    settings.LETTERLOCK_SMTP_URL, working = "smtp://127.0.0.1:1", settings.LETTERLOCK_SMTP_URL
    ask(bank, now)
    deliver_notices(at=now)
    notice = Notice.objects.get()
    assert (notice.status, notice.relay_reply.split(":")[0]) == (NoticeStatus.QUEUED, "relay unreachable")
    assert b"invitations" not in bytes(notice.content or b"")
    assert deliver_notices(at=now) == 0, "it waits for its pause"
    settings.LETTERLOCK_SMTP_URL = working
    assert deliver_notices(at=now + timedelta(minutes=1)) == 1
    notice.refresh_from_db()
    assert (notice.status, notice.content) == (NoticeStatus.HANDED, None)
    assert len(inbox_server.inbox.mails(TO)) == 1
