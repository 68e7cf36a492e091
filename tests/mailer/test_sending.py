"""From the queue to the relay: sealed once, never in clear, handed over in the order that leaves nothing in doubt."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from directory.models import Organization
from directory.organizations import reinstate, suspend
from mailer import sending, transport
from mailer.claiming import claim
from mailer.custody import MissingKeyError
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.sending import drain, pause_after
from mailer.smime.entity import Attachment
from portal.running.inbox import InboxServer
from tests.mailer.false_relays import END, FalseRelay, running, say
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk, history, letter, only_message, publish_for, send
from tests.pki import Authority, Usage

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
RECIPIENT = "Bob.Recipient@people.example.org"


def make_due() -> None:
    """Let every pause and every lease be over."""
    Message.objects.update(not_before=LONG_AGO, lease_until=LONG_AGO)


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p256", "p384"])
def test_it_delivers_what_openssl_opens_and_verifies(kind: str, bills: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(RECIPIENT, kind)
    certificate = publish_for(holder, RECIPIENT, at=now)
    send(bills, letter(RECIPIENT, html="<p>Hello</p>", attachments=[Attachment("statement.pdf", "application/pdf", b"%PDF-1.7 x")]), at=now)
    assert drain(at=now) == 1
    message, (mail,) = only_message(), inbox_server.inbox.mails(RECIPIENT)
    assert (message.status, message.certificate) == (MessageStatus.HANDED, certificate.fingerprint)
    assert (message.content, message.sealed) == (None, None)
    assert history(message) == ["accepted", "sealing", "sealed", "handing", "handed"]
    assert mail.sender == "bills@bank.example.com"
    assert mail.recipients == (RECIPIENT,)
    assert f"Message-ID: {message.message_id}".encode() in mail.content
    opened = desk.open(mail.content, holder)
    assert SECRET_WORDS in opened.words
    assert opened.signer == "bills@bank.example.com"
    assert opened.mail["Subject"] == SUBJECT


def test_it_shows_nothing_outside(bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    stored = bytes(only_message().content or b"")
    drain(at=now)
    (mail,) = inbox_server.inbox.mails()
    for words in (SECRET_WORDS.encode(), SUBJECT.encode(), b"Statement"):
        assert words not in mail.content
        assert words not in stored
    assert b"Subject: Sealed message" in mail.content


def test_it_seals_to_every_certificate_of_the_preferred_kind(bills: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    at_work, on_phone = desk.authority.leaf(RECIPIENT, "rsa2048"), desk.authority.leaf(RECIPIENT, "rsa3072")
    for holder in (at_work, on_phone):
        publish_for(holder, RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    drain(at=now)
    (mail,) = inbox_server.inbox.mails(RECIPIENT)
    for holder in (at_work, on_phone):
        assert SECRET_WORDS in desk.open(mail.content, holder).words


def test_it_never_seals_to_a_signing_certificate(bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    publish_for(authority.leaf(RECIPIENT, "rsa2048", Usage.SIGN), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    drain(at=now)
    assert only_message().status == MessageStatus.HELD
    assert [mail.content.count(SECRET_WORDS.encode()) for mail in inbox_server.inbox.mails()] == []


def test_it_sends_the_same_bytes_again_after_a_4xx(bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    inbox_server.room.verdicts.append("451 try later\x07")
    drain(at=now)
    message = only_message()
    assert (message.status, message.relay_reply) == (MessageStatus.QUEUED, "451 try later")
    assert message.sealed is not None
    assert message.content is None
    sealed = bytes(message.sealed)
    assert drain(at=now) == 0, "it waits for its pause"
    make_due()
    drain(at=now)
    (mail,) = inbox_server.inbox.mails(RECIPIENT)
    assert mail.content == sealed
    assert history(message) == ["accepted", "sealing", "sealed", "handing", "deferred", "retried", "handing", "handed"]


def test_it_waits_longer_each_time() -> None:
    pauses = [pause_after(attempt).total_seconds() for attempt in range(1, 12)]
    assert pauses[:4] == [10, 20, 40, 80]
    assert pauses[-1] == 900


def test_it_fails_with_the_relays_words(bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    inbox_server.room.refusals[RECIPIENT] = "550 5.1.1 no such person here"
    send(bills, letter(RECIPIENT), at=now)
    drain(at=now)
    message = only_message()
    assert (message.status, message.relay_reply) == (MessageStatus.FAILED, "550 5.1.1 no such person here")
    assert (message.content, message.sealed) == (None, None)
    assert "handing" not in history(message)


def test_it_refuses_a_mail_that_the_relay_refuses_after_data(
    bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    inbox_server.room.verdicts.append("554 not here")
    send(bills, letter(RECIPIENT), at=now)
    drain(at=now)
    assert only_message().status == MessageStatus.FAILED


def test_it_waits_while_the_relay_is_away_and_gives_up_after_five_days(
    bills: SigningIdentity, authority: Authority, settings: Settings, now: datetime
) -> None:
    settings.LETTERLOCK_SMTP_URL = "smtp://127.0.0.1:1"
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), letter(RECIPIENT), at=now)
    drain(at=now)
    assert {message.status for message in Message.objects.all()} == {MessageStatus.QUEUED}
    assert all(message.sealed and message.not_before > now for message in Message.objects.all())
    make_due()
    drain(at=now + timedelta(days=5, minutes=1))
    assert {message.status for message in Message.objects.all()} == {MessageStatus.FAILED}


def test_it_leaves_in_doubt_what_was_cut_off_after_the_mail(
    bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, settings: Settings, now: datetime
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)

    with running(FalseRelay({END: say(None)})) as relay:
        settings.LETTERLOCK_SMTP_URL = relay.url
        drain(at=now)
    settings.LETTERLOCK_SMTP_URL = inbox_server.url
    message = only_message()
    assert message.status == MessageStatus.HANDING
    assert history(message)[-2:] == ["handing", "in_doubt"]
    make_due()
    assert drain(at=now) == 0, "nobody but the reconciler takes it up"
    assert not inbox_server.inbox.mails()


def test_it_does_not_hand_over_what_another_worker_has_taken(
    bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    mine = claim()
    Message.objects.update(lease_token=mine.messages[0].lease_token + 1)
    sending._work(mine, at=now)
    assert not inbox_server.inbox.mails()
    assert only_message().status == MessageStatus.SEALING


def test_it_stops_before_its_lease_is_over(
    bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    claimed = claim()
    # Time enough to seal, and none to hand over.
    monkeypatch.setattr(transport, "data_seconds", lambda: 1000.0)
    sending._work(claimed, at=now)
    message = only_message()
    assert (message.status, message.lease_until) == (MessageStatus.SEALED, None)
    assert not inbox_server.inbox.mails()


def test_it_holds_back_what_a_suspended_organisation_has_queued(
    bank: Organization, bills: SigningIdentity, authority: Authority, inbox_server: InboxServer, now: datetime
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    suspend(organization=bank, reason="asked to", actor="user:reviewer", at=now)
    assert drain(at=now) == 0
    reinstate(organization=bank, reason="cleared", actor="user:reviewer", at=now)
    assert drain(at=now) == 1
    assert len(inbox_server.inbox.mails(RECIPIENT)) == 1


def test_it_claims_nothing_without_the_workers_keys(bills: SigningIdentity, settings: Settings, now: datetime) -> None:
    send(bills, letter(RECIPIENT), at=now)
    settings.LETTERLOCK_SIGNING_KEK = None
    with pytest.raises(MissingKeyError):
        drain(at=now)
    assert only_message().status == MessageStatus.QUEUED


def test_it_keeps_a_message_that_a_wrong_key_cannot_sign(
    bills: SigningIdentity, authority: Authority, settings: Settings, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    settings.LETTERLOCK_SIGNING_KEK = bytes(32)
    with caplog.at_level(logging.ERROR):
        drain(at=now)
    message = only_message()
    assert (message.status, bool(message.content)) == (MessageStatus.SEALING, True)
    assert "ALARM" in caplog.text
    assert SECRET_WORDS not in caplog.text


def test_it_fails_what_its_sender_can_no_longer_sign(bills: SigningIdentity, authority: Authority, now: datetime) -> None:
    publish_for(authority.leaf(RECIPIENT), RECIPIENT, at=now)
    send(bills, letter(RECIPIENT), at=now)
    SigningIdentity.objects.update(status="retired")
    drain(at=now)
    message = only_message()
    assert (message.status, message.content) == (MessageStatus.FAILED, None)
    assert message.events.get(event="failed").detail == "sender_cannot_sign"


def test_it_keeps_organisations_apart(bills: SigningIdentity, offers: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    """Charlie's letter in the same chunk is signed by Charlie's shop, and its content lies under another key."""
    holder = desk.authority.leaf(RECIPIENT)
    publish_for(holder, RECIPIENT, at=now)
    send(bills, letter(RECIPIENT, text="from the bank"), at=now)
    send(offers, letter(RECIPIENT, text="from the shop"), at=now)
    mine = Message.objects.get(organization=bills.organization)
    drain(at=now)
    signed = {(opened := desk.open(mail.content, holder)).signer: opened.words for mail in inbox_server.inbox.mails(RECIPIENT)}
    assert "from the bank" in signed["bills@bank.example.com"]
    assert "from the shop" in signed["offers@shop.example.net"]
    assert {event.organization_id for event in mine.events.all()} == {bills.organization_id}


def test_it_keeps_content_and_bytes_no_longer_than_needed(bills: SigningIdentity, now: datetime) -> None:
    """The database itself refuses a row that has content after sealing."""
    send(bills, letter(RECIPIENT), at=now)
    with pytest.raises(Exception, match="content_only_until_sealed"), connection.cursor() as cursor:
        cursor.execute("UPDATE mailer_message SET status = 'handed'")
