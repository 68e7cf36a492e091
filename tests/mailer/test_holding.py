"""Without a certificate: held and never sent in clear, released the moment a certificate is published, or over."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from directory.inviting import ask_for_invitations
from directory.lookup import encryption_certificates
from directory.models import Change, ChangeKind
from directory.x509.names import EmailAddress
from mailer import sealing
from mailer.changes import apply_changes
from mailer.claiming import claim
from mailer.holding import expire_held, sweep
from mailer.models import Invitation, Message, MessageStatus, Notice, OnMissing, SigningIdentity
from mailer.sending import drain
from mailer.sendlog import NotCancellableError, cancel
from portal.running.inbox import InboxServer
from tests.mailer.letters import SECRET_WORDS, Desk, history, letter, only_message, publish_for, send

TO = "Dora.NoKey@people.example.net"


def test_it_holds_what_cannot_be_sealed_and_invites_once(bills: SigningIdentity, inbox_server: InboxServer, now: datetime) -> None:
    send(bills, letter(TO), letter(TO), at=now)
    drain(at=now)
    assert {message.status for message in Message.objects.all()} == {MessageStatus.HELD}
    assert all(SECRET_WORDS.encode() not in bytes(message.content or b"") for message in Message.objects.all())
    assert Invitation.objects.get().address == TO
    assert not inbox_server.inbox.mails(), "the invitation goes out with the notices, the message not at all"


def test_it_releases_the_moment_a_certificate_is_published(bills: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    send(bills, letter(TO), at=now)
    drain(at=now)
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    apply_changes(at=now)
    assert not Change.objects.filter(done_at=None).exists()
    assert only_message().status == MessageStatus.QUEUED
    drain(at=now)
    (mail,) = inbox_server.inbox.mails(TO)
    assert SECRET_WORDS in desk.open(mail.content, holder).words
    assert history(only_message()) == ["accepted", "sealing", "held", "released", "sealing", "sealed", "handing", "handed"]


def test_it_releases_nobody_elses(bills: SigningIdentity, offers: SigningIdentity, now: datetime, desk: Desk) -> None:
    """Charlie publishes a certificate of his own address: the letters to Dora stay."""
    send(bills, letter(TO), at=now)
    send(offers, letter("charlie@shop.example.net"), at=now)
    drain(at=now)
    publish_for(desk.authority.leaf("charlie@shop.example.net"), "charlie@shop.example.net", at=now)
    apply_changes(at=now)
    assert Message.objects.get(match=TO.lower()).status == MessageStatus.HELD
    assert Message.objects.exclude(match=TO.lower()).get().status == MessageStatus.QUEUED


def test_it_misses_no_certificate_that_comes_between_look_up_and_hold(
    bills: SigningIdentity, now: datetime, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(bills, letter(TO), at=now)

    def publish_meanwhile(matches: list[str], *, at: datetime) -> object:
        found = encryption_certificates(matches, at=at)
        publish_for(desk.authority.leaf(TO), TO, at=now)
        apply_changes(at=now)
        return found

    monkeypatch.setattr("mailer.sealing.encryption_certificates", publish_meanwhile)
    sealing.seal_all(claim().messages, at=now, until=float("inf"))
    assert history(only_message()) == ["accepted", "sealing", "held", "released"]


def test_it_finds_what_a_killed_worker_did_not_release(bills: SigningIdentity, now: datetime, desk: Desk) -> None:
    send(bills, letter(TO), at=now)
    drain(at=now)
    publish_for(desk.authority.leaf(TO), TO, at=now)
    Change.objects.update(done_at=now)
    assert sweep(at=now, actor="system:worker") == 1
    assert only_message().status == MessageStatus.QUEUED
    assert sweep(at=now, actor="system:worker") == 0


def test_it_ends_what_was_held_to_its_last_day(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    drain(at=now)
    assert expire_held(at=now + timedelta(days=13, hours=23), actor="system:worker") == 0
    assert expire_held(at=now + timedelta(days=14), actor="system:worker") == 1
    message = only_message()
    assert (message.status, message.content) == (MessageStatus.EXPIRED, None)


def test_it_fails_where_the_sender_wants_that(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now, on_missing=OnMissing.FAIL)
    drain(at=now)
    message = only_message()
    assert (message.status, message.content) == (MessageStatus.FAILED, None)
    assert message.events.get(event="failed").detail == "no_certificate"
    assert not Invitation.objects.exists()


def test_it_stores_nothing_where_the_sender_wants_a_notice(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now, on_missing=OnMissing.NOTICE)
    drain(at=now)
    message = only_message()
    assert (message.status, message.content) == (MessageStatus.FAILED, None)
    assert Invitation.objects.count() == Notice.objects.count() == 1


def test_it_takes_back_what_is_held_and_nothing_that_was_sealed(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    drain(at=now)
    cancel(only_message(), actor="user:alice")
    assert (only_message().status, only_message().content) == (MessageStatus.CANCELLED, None)
    with pytest.raises(NotCancellableError):
        cancel(only_message(), actor="user:alice")


def test_it_invites_whom_a_look_up_asked_for(bills: SigningIdentity, now: datetime, desk: Desk) -> None:
    known = "known@people.example.net"
    publish_for(desk.authority.leaf(known), known, at=now)
    addresses = [EmailAddress.parse(TO), EmailAddress.parse(known)]
    ask_for_invitations(addresses, organization=bills.organization, actor="token:abc", at=now)
    apply_changes(at=now)
    assert [invitation.address for invitation in Invitation.objects.all()] == [TO]
    assert Invitation.objects.get().actor == "token:abc"


def test_it_works_through_changes_once(bills: SigningIdentity, now: datetime) -> None:
    del bills
    Change.objects.bulk_create(
        Change(kind=ChangeKind.PUBLISHED, match=f"{uuid4()}@people.example.net", actor="system:worker", at=now) for _ in range(450)
    )
    pending = Change.objects.filter(done_at=None).count()
    assert apply_changes(at=now) == pending
    assert apply_changes(at=now) == 0
