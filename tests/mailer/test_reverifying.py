"""Once a year a mailbox is asked whether its certificates are still its own; nothing leaves the answers without a mail that says so."""

import re
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from directory.lookup import encryption_certificates
from directory.models import Certificate, CertificateStatus, DirectoryEvent, Mailbox
from directory.publishing import erase, note_proof
from directory.x509.names import EmailAddress
from mailer import reverifying, tasks
from mailer.import_files import FileEntry
from mailer.importing import import_entries
from mailer.models import LinkPurpose, Notice, NoticeStatus, OwnerLink, SigningIdentity
from mailer.notices import deliver_notices, settle_notices
from mailer.owner_links import ExpiredOwnerLinkError, UnknownOwnerLinkError, forget_links, mail_link
from mailer.reverifying import END_AFTER, REMIND_AFTER, YEAR, ask_due, confirm, end_due, remind_due, renew
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, publish_for

TO = "Dora@people.example.net"
DORA = EmailAddress.parse(TO)
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


def proven(desk: Desk, at: datetime, address: str = TO) -> Certificate:
    """A certificate of a mailbox that was proven then, valid for long enough."""
    certificate = publish_for(desk.authority.leaf(address, days=(-400, 800)), address, at=at)
    note_proof(match=certificate.mailbox.match, at=at)
    return certificate


def secret_in(inbox_server: InboxServer, at: datetime, to: str = TO) -> str:
    """What the last mail's link holds."""
    deliver_notices(at=at)
    found = re.search(r"/mailbox/([\w-]+)/still-mine/", inbox_server.inbox.mails(to)[-1].content.decode().replace("=\r\n", ""))
    assert found
    return found[1]


def is_answered(at: datetime) -> bool:
    return bool(encryption_certificates([DORA.match], at=at)[DORA.match])


def test_it_asks_after_a_year_and_not_before(desk: Desk, now: datetime) -> None:
    proven(desk, now - YEAR)
    assert ask_due(at=now - timedelta(seconds=1)) == 0
    assert ask_due(at=now) == 1
    assert ask_due(at=now + DAY) == 0, "once"
    assert [(notice.kind, notice.match) for notice in Notice.objects.all()] == [("reverify", DORA.match)]
    assert DirectoryEvent.objects.filter(verb="mailbox.asked_again", subject=f"mailbox:{Mailbox.objects.get().pk}").count() == 1


def test_one_press_keeps_it_for_another_year(inbox_server: InboxServer, client: Client, desk: Desk) -> None:
    now = timezone.now()
    certificate = proven(desk, now - YEAR)
    ask_due(at=now)
    path = f"/mailbox/{secret_in(inbox_server, now)}/still-mine/"
    page = client.get(path)
    assert page.status_code == 200
    assert certificate.fingerprint[:4] in page.text
    assert Mailbox.objects.get().reverify_asked_at is not None, "a GET answers nothing: mail scanners follow links"
    assert client.post(path).status_code == 200
    mailbox = Mailbox.objects.get()
    assert mailbox.reverify_asked_at is None
    assert mailbox.proven_at is not None
    assert now <= mailbox.proven_at
    link = OwnerLink.objects.get()
    assert DirectoryEvent.objects.get(verb="mailbox.proven_again").actor == f"owner:{link.id}"
    assert end_due(at=now + END_AFTER + DAY) == 0
    assert ask_due(at=now + YEAR - DAY) == 0
    assert ask_due(at=now + YEAR + DAY) == 1


def test_it_reminds_once(desk: Desk, now: datetime) -> None:
    proven(desk, now - YEAR)
    ask_due(at=now)
    assert remind_due(at=now + REMIND_AFTER - DAY) == 0
    assert remind_due(at=now + REMIND_AFTER) == 1
    assert remind_due(at=now + REMIND_AFTER + DAY) == 0
    assert Notice.objects.filter(kind="reverify").count() == 2


def test_the_reminder_calls_itself_one(inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    proven(desk, now - YEAR)
    ask_due(at=now)
    deliver_notices(at=now)
    remind_due(at=now + REMIND_AFTER)
    deliver_notices(at=now + REMIND_AFTER)
    first, second = inbox_server.inbox.mails(TO)
    assert b"Subject: Is this still your mailbox?" in first.content
    assert b"Subject: Reminder: is this still your mailbox?" in second.content


def test_without_an_answer_it_leaves_the_answers_and_a_mail_says_so(inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    certificate = proven(desk, now - YEAR)
    ask_due(at=now)
    handed(now)
    remind_due(at=now + REMIND_AFTER)
    handed(now + REMIND_AFTER)
    assert end_due(at=now + END_AFTER - DAY) == 0
    assert is_answered(now + END_AFTER - DAY)
    over = now + END_AFTER
    assert end_due(at=over) == 1
    assert not is_answered(over)
    certificate.refresh_from_db()
    assert (certificate.status, certificate.ended_at) == (CertificateStatus.SUPERSEDED, over)
    deliver_notices(at=over)
    mail = inbox_server.inbox.mails(TO)[-1].content
    assert b"Subject: Your certificate has left the directory" in mail
    assert certificate.fingerprint[:40].encode() in mail.replace(b"=\r\n", b"")
    assert DirectoryEvent.objects.get(verb="mailbox.proof_lapsed").detail == {"certificates": 1}
    assert end_due(at=over + DAY) == ask_due(at=over + DAY) == 0, "it is over"


def test_what_our_own_ca_issued_follows_its_own_validity(bills: SigningIdentity, desk: Desk, now: datetime) -> None:
    """Its organisation's address is not asked at all; and where there is another certificate beside, that one alone ends."""
    note_proof(match=bills.match, at=now - YEAR)
    assert ask_due(at=now) == 0
    publish_for(desk.authority.leaf(bills.address), bills.address, at=now)
    assert ask_due(at=now) == 1
    handed(now)
    remind_due(at=now + REMIND_AFTER)
    handed(now + REMIND_AFTER)
    assert end_due(at=now + END_AFTER) == 1
    assert bills.certificate is not None
    bills.certificate.refresh_from_db()
    assert bills.certificate.status == CertificateStatus.PUBLISHED
    assert set(Certificate.objects.exclude(pk=bills.certificate.pk).values_list("status", flat=True)) == {CertificateStatus.SUPERSEDED}


def test_it_asks_nobody_who_was_erased_or_whose_certificates_are_over(desk: Desk, now: datetime) -> None:
    erase(mailbox=proven(desk, now - YEAR).mailbox, actor="user:test", at=now)
    short = "short@people.example.net"
    publish_for(desk.authority.leaf(short, days=(-400, 1)), short, at=now - YEAR)
    note_proof(match=short, at=now - YEAR)
    assert ask_due(at=now + 2 * DAY) == 0
    assert not Notice.objects.exists()


def imported(desk: Desk, at: datetime, *addresses: str) -> None:
    entries = [FileEntry(1, desk.authority.leaf(address, days=(-400, 1500)).der, None) for address in addresses]
    assert import_entries(entries, source_name="ldap", actor="user:operator", clock=lambda: at, processes=0).published == len(addresses)


def test_what_was_imported_is_asked_a_year_after(desk: Desk, now: datetime) -> None:
    """Nobody has proven anything of it; who does not answer is taken out, and the operator's next run does not bring it back."""
    imported(desk, now - YEAR, TO, "bob@people.example.org")
    assert ask_due(at=now - timedelta(seconds=1)) == 0
    assert ask_due(at=now) == 2
    assert ask_due(at=now + DAY) == 0, "once"
    note_proof(match=DORA.match, at=now + DAY)
    handed(now)
    remind_due(at=now + REMIND_AFTER)
    handed(now + REMIND_AFTER)
    assert end_due(at=now + END_AFTER) == 1
    assert list(Certificate.objects.filter(status=CertificateStatus.PUBLISHED).values_list("mailbox__match", flat=True)) == [DORA.match]
    assert ask_due(at=now + YEAR) == 0, "it counts from the proof now"
    assert ask_due(at=now + YEAR + DAY) == 1
    handed(now + YEAR + DAY)
    remind_due(at=now + YEAR + DAY + REMIND_AFTER)
    handed(now + YEAR + DAY + REMIND_AFTER)
    assert end_due(at=now + YEAR + DAY + END_AFTER) == 1
    assert not is_answered(now + YEAR + DAY + END_AFTER)


def test_a_proof_of_this_year_counts_for_what_was_imported(desk: Desk, now: datetime) -> None:
    imported(desk, now - YEAR, TO)
    note_proof(match=DORA.match, at=now - DAY)
    assert ask_due(at=now) == 0


def test_a_run_asks_a_chunk_of_those_imported(desk: Desk, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverifying, "CHUNK", 2)
    imported(desk, now - YEAR, *(f"c{number}@people.example.org" for number in range(3)))
    assert [ask_due(at=now + number * DAY) for number in range(3)] == [2, 1, 0]


def test_charlie_cannot_spend_the_mails_of_the_question(desk: Desk, now: datetime) -> None:
    """He has all proof mails of the address sent, each day: it is asked and reminded all the same, and does not end before."""
    proven(desk, now - YEAR)
    sent = []
    for day in range(31):
        at = now + day * DAY
        while mail_link(DORA, actor="anonymous", at=at) is not None:
            pass
        sent.append((ask_due(at=at), remind_due(at=at)))
        assert end_due(at=at) == 0, "no mail was handed over"
    assert (sent[0], sent[REMIND_AFTER.days]) == ((1, 0), (0, 1))
    assert is_answered(now + END_AFTER)


def handed(at: datetime) -> None:
    """What was mailed until now is with the relay."""
    Notice.objects.filter(status=NoticeStatus.QUEUED).update(status=NoticeStatus.HANDED, updated_at=at)


def test_it_ends_so_long_after_both_mails_were_handed_over(desk: Desk, now: datetime) -> None:
    """The relay was down for ten days each time."""
    proven(desk, now - YEAR)
    ask_due(at=now)
    handed(now + 10 * DAY)
    remind_due(at=now + REMIND_AFTER)
    handed(now + REMIND_AFTER + 10 * DAY)
    for day in (30, 39):
        settle_notices(at=now + day * DAY)
        assert end_due(at=now + day * DAY) == 0
    assert end_due(at=now + 40 * DAY) == 1
    assert not is_answered(now + 40 * DAY)


def test_what_was_not_handed_over_is_mailed_again_and_three_are_the_most(desk: Desk, now: datetime) -> None:
    proven(desk, now - YEAR)
    ask_due(at=now)
    sent = []
    for day in range(1, 100):
        Notice.objects.update(status=NoticeStatus.FAILED)
        sent.append(remind_due(at=now + day * DAY))
        assert end_due(at=now + day * DAY) == 0
    assert sum(sent) == 2
    assert Notice.objects.filter(kind="reverify").count() == 3


def test_a_link_that_is_too_old_is_changed_once_a_day(desk: Desk, now: datetime) -> None:
    """However many other mails the address had."""
    proven(desk, now - YEAR)
    ask_due(at=now)
    old, later = OwnerLink.objects.get(), now + 2 * DAY
    while mail_link(DORA, actor="anonymous", at=later) is not None:
        pass
    assert renew(old, at=later) is not None
    assert renew(old, at=later + DAY - timedelta(seconds=1)) is None
    assert renew(old, at=later + DAY) is not None


def test_an_old_link_is_changed_for_a_new_one_at_the_same_mailbox(inbox_server: InboxServer, client: Client, desk: Desk) -> None:
    now = timezone.now()
    proven(desk, now - YEAR - 2 * DAY)
    ask_due(at=now - 2 * DAY)
    old = secret_in(inbox_server, now)
    with pytest.raises(ExpiredOwnerLinkError):
        confirm(old, at=now)
    assert client.get(f"/mailbox/{old}/still-mine/").status_code == 410
    assert client.post(f"/mailbox/{old}/still-mine/").status_code == 200
    assert Mailbox.objects.get().reverify_asked_at is not None, "an old link proves nothing"
    new = secret_in(inbox_server, timezone.now())
    assert new != old
    confirm(new, at=timezone.now())
    assert Mailbox.objects.get().reverify_asked_at is None


def test_charlie_can_neither_guess_nor_use_another_kind_of_link(inbox_server: InboxServer, client: Client, desk: Desk) -> None:
    now = timezone.now()
    proven(desk, now - YEAR)
    ask_due(at=now)
    secret, link = secret_in(inbox_server, now), OwnerLink.objects.get()
    for guess in ("x" * 43, str(link.id), link.secret_digest):
        with pytest.raises(UnknownOwnerLinkError):
            confirm(guess, at=now)
        assert client.post(f"/mailbox/{guess}/still-mine/").status_code == 404
    # The yearly link opens no page on which something can be changed.
    assert link.purpose == LinkPurpose.REVERIFY
    for path in (f"/mailbox/{secret}/", f"/mailbox/{secret}/erase/", f"/mailbox/{secret}/certificate/"):
        assert client.post(path).status_code == 404
    assert Client(enforce_csrf_checks=True).post(f"/mailbox/{secret}/still-mine/").status_code == 403
    assert Mailbox.objects.get().reverify_asked_at is not None


def test_the_task_may_run_twice(desk: Desk) -> None:
    proven(desk, timezone.now() - YEAR)
    for _time in range(2):
        tasks.ask_owners_again()
    assert Notice.objects.filter(kind="reverify").count() == 1


def test_it_forgets_links_that_are_long_over(desk: Desk, now: datetime) -> None:
    """Whoever types an address has it stored here: not for longer than it is of use."""
    proven(desk, now - YEAR)
    ask_due(at=now)
    mail_link(DORA, actor="anonymous", at=now)
    assert forget_links(at=now + 7 * DAY) == 0
    assert forget_links(at=now + 7 * DAY + timedelta(seconds=1)) == 1
    assert OwnerLink.objects.get().purpose == LinkPurpose.REVERIFY
    assert forget_links(at=now + 90 * DAY) == 0
    assert forget_links(at=now + 90 * DAY + timedelta(seconds=1)) == 1
