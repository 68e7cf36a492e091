"""Accepting: everything or nothing, once, however often and by however many it is asked; what is stored can be read by nobody else."""

import threading
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from directory.models import Organization
from directory.organizations import suspend
from directory.x509.names import EmailAddress
from mailer.custody import CustodyError, decrypt_for
from mailer.erasing import erase_recipient
from mailer.identities import NoIdentityError
from mailer.letters import context, unpack
from mailer.models import Batch, Message, MessageStatus, OnMissing, SendEvent, SigningIdentity
from mailer.outbox import KEY_LIFETIME, KeyReusedError, OutboxFullError, accept, depth, forget_keys
from mailer.pausing import pause
from mailer.smime.entity import Attachment
from tests.mailer.letters import ALICE, SECRET_WORDS, SUBJECT, letter, only_message, send

TO = "Bob@people.example.org"


def test_it_stores_batch_messages_and_log_together(bills: SigningIdentity, now: datetime) -> None:
    accepted = send(bills, letter(TO), letter(TO), letter("carol@people.example.org"), at=now)
    rows = list(Message.objects.order_by("position"))
    assert [row.position for row in rows] == [0, 1, 2]
    assert [row.id for row in rows] == [item.id for item in accepted.messages]
    assert len({row.message_id for row in rows}) == 3
    assert all(row.message_id.endswith("@bank.example.com>") for row in rows)
    assert {row.status for row in rows} == {MessageStatus.QUEUED}
    assert (rows[0].recipient, rows[0].match) == ("Bob@people.example.org", "bob@people.example.org")
    assert list(SendEvent.objects.values_list("event", "actor")) == [("accepted", ALICE)] * 3


def test_it_keeps_content_where_only_its_organisation_can_be_read(bills: SigningIdentity, shop: Organization, now: datetime) -> None:
    attachment = Attachment("a.pdf", "application/pdf", b"\x00\xff%PDF")
    send(bills, letter(TO, html="<b>x</b>", attachments=[attachment]), letter(TO), at=now)
    first, second = Message.objects.order_by("position")
    stored = bytes(first.content or b"")
    assert SECRET_WORDS.encode() not in stored
    content = unpack(decrypt_for(bills.organization_id, stored, context=context(first.id)))
    assert (content.text, content.html, list(content.attachments)) == (SECRET_WORDS, "<b>x</b>", [attachment])
    # Neither moved to another message nor by Charlie's key.
    for owner, message in ((bills.organization_id, second.id), (shop.id, first.id)):
        with pytest.raises(CustodyError):
            decrypt_for(owner, stored, context=context(message))


def test_it_gives_the_same_answer_again(bills: SigningIdentity, now: datetime) -> None:
    first = send(bills, letter(TO), at=now, key="one")
    Message.objects.update(status=MessageStatus.HANDED, content=None)
    assert send(bills, letter(TO), at=now + timedelta(days=29), key="one") == first
    assert Message.objects.count() == 1


def test_it_gives_the_same_answer_again_after_an_erasure_and_stores_nothing_for_it(bills: SigningIdentity, now: datetime) -> None:
    first = send(bills, letter(TO), letter("carol@people.example.org"), at=now, key="one")
    erase_recipient(EmailAddress.parse(TO), actor=ALICE, at=now)
    assert send(bills, letter(TO), letter("carol@people.example.org"), at=now, key="one") == first
    assert list(Message.objects.order_by("position").values_list("recipient", flat=True)) == ["", "carol@people.example.org"]


def test_it_refuses_another_body_under_the_same_key(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now, key="one")
    with pytest.raises(KeyReusedError):
        accept(
            organization=bills.organization,
            sender=EmailAddress.parse(bills.address),
            items=[letter(TO)],
            on_missing=OnMissing.HOLD,
            idempotency_key="one",
            body_digest="1" * 64,
            actor=ALICE,
            at=now,
        )
    assert Message.objects.count() == 1


def test_it_keeps_keys_of_organisations_apart(bills: SigningIdentity, offers: SigningIdentity, now: datetime) -> None:
    assert send(bills, letter(TO), at=now, key="one").batch != send(offers, letter(TO), at=now, key="one").batch


@pytest.mark.parametrize("swept", [True, False])
def test_it_forgets_keys_after_thirty_days(swept: bool, bills: SigningIdentity, now: datetime) -> None:  # noqa: FBT001 - pytest's parameter
    first, later = send(bills, letter(TO), at=now, key="one"), now + KEY_LIFETIME + timedelta(seconds=1)
    if swept:
        assert forget_keys(at=later) == 1
    assert send(bills, letter(TO), at=later, key="one").batch != first.batch
    assert Batch.objects.get(pk=first.batch).body_digest == ""


def test_it_takes_nothing_from_an_address_of_somebody_else(bills: SigningIdentity, offers: SigningIdentity, now: datetime) -> None:
    """Charlie's shop cannot send as the bank, whatever it calls itself."""
    with pytest.raises(NoIdentityError):
        accept(
            organization=offers.organization,
            sender=EmailAddress.parse(bills.address),
            items=[letter(TO)],
            on_missing=OnMissing.HOLD,
            idempotency_key="one",
            body_digest="0" * 64,
            actor="user:charlie",
            at=now,
        )
    assert (Batch.objects.count(), Message.objects.count(), SendEvent.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("limit", [{"LETTERLOCK_OUTBOX_DEPTH": 2}, {"LETTERLOCK_OUTBOX_SECONDS": 60}])
def test_it_takes_no_more_than_the_operator_allows(limit: dict[str, int], bills: SigningIdentity, settings: Settings, now: datetime) -> None:
    first = send(bills, letter(TO), letter(TO), at=now - timedelta(minutes=5), key="one")
    for name, value in limit.items():
        setattr(settings, name, value)
    depth.forget()
    with pytest.raises(OutboxFullError) as caught:
        send(bills, letter(TO), at=now)
    assert caught.value.retry_after > 0
    assert send(bills, letter(TO), letter(TO), at=now, key="one") == first, "what was accepted is answered all the same"
    Message.objects.update(status=MessageStatus.HANDED, content=None)
    depth.forget()
    send(bills, letter(TO), at=now)


def test_it_counts_what_it_takes_between_two_looks(bills: SigningIdentity, settings: Settings, now: datetime) -> None:
    settings.LETTERLOCK_OUTBOX_DEPTH = 3
    depth.forget()
    for _ in range(3):
        send(bills, letter(TO), at=now)
    with pytest.raises(OutboxFullError):
        send(bills, letter(TO), at=now)


@pytest.mark.parametrize("why", ["suspended", "organisation", "domain", "everything"])
def test_it_is_not_too_old_for_others_what_must_wait(
    why: str, bills: SigningIdentity, offers: SigningIdentity, settings: Settings, now: datetime
) -> None:
    """Charlie's shop is suspended, or its sending paused: the bank goes on."""
    send(offers, letter(TO), at=now - timedelta(minutes=5))
    settings.LETTERLOCK_OUTBOX_SECONDS = 60
    depth.forget()
    with pytest.raises(OutboxFullError):
        send(bills, letter(TO), at=now)
    if why == "suspended":
        suspend(organization=offers.organization, actor=ALICE, reason="unpaid", at=now)
    else:
        organization = offers.organization if why == "organisation" else None
        pause(organization=organization, domain="people.example.org" if why == "domain" else "", reason="x", actor=ALICE, at=now)
    depth.forget()
    send(bills, letter(TO), at=now)


@pytest.mark.parametrize("why", ["suspended", "paused", "domain paused"])
def test_it_is_not_full_for_others_by_what_charlie_keeps_back(
    why: str, bills: SigningIdentity, offers: SigningIdentity, settings: Settings, now: datetime
) -> None:
    """Nor may Charlie store without end behind his own pause."""
    settings.LETTERLOCK_OUTBOX_DEPTH = 2
    send(offers, letter(TO), letter(TO), at=now)
    depth.forget()
    with pytest.raises(OutboxFullError):
        send(bills, letter(TO), at=now)
    if why == "suspended":
        suspend(organization=offers.organization, actor=ALICE, reason="unpaid", at=now)
    else:
        pause(
            organization=offers.organization, domain="people.example.org" if why == "domain paused" else "", reason="x", actor="user:charlie", at=now
        )
    depth.forget()
    with pytest.raises((OutboxFullError, NoIdentityError)):
        send(offers, letter(TO), at=now)
    send(bills, letter(TO), at=now)
    send(bills, letter(TO), at=now)
    with pytest.raises(OutboxFullError):
        send(bills, letter(TO), at=now)


@pytest.mark.parametrize("domain", ["", "people.example.org"])
def test_it_stores_no_more_than_so_many_in_a_pause_of_the_operators(
    domain: str, bills: SigningIdentity, offers: SigningIdentity, settings: Settings, now: datetime
) -> None:
    settings.LETTERLOCK_OUTBOX_DEPTH = 2
    pause(domain=domain, reason="x", actor="user:operator", at=now)
    depth.forget()
    send(bills, letter(TO), at=now)
    send(offers, letter(TO), at=now)
    depth.forget()
    with pytest.raises(OutboxFullError):
        send(bills, letter(TO), at=now)


def test_it_counts_between_two_looks_what_charlie_stores_behind_his_pause(offers: SigningIdentity, settings: Settings, now: datetime) -> None:
    settings.LETTERLOCK_OUTBOX_DEPTH = 2
    pause(organization=offers.organization, reason="x", actor="user:charlie", at=now)
    depth.forget()
    send(offers, letter(TO), at=now)
    send(offers, letter(TO), at=now)
    with pytest.raises(OutboxFullError):
        send(offers, letter(TO), at=now)


def test_it_counts_nothing_that_is_held(bills: SigningIdentity, settings: Settings, now: datetime) -> None:
    send(bills, letter(TO), letter(TO), at=now - timedelta(minutes=5))
    Message.objects.update(status=MessageStatus.HELD)
    settings.LETTERLOCK_OUTBOX_DEPTH, settings.LETTERLOCK_OUTBOX_SECONDS = 1, 60
    depth.forget()
    send(bills, letter(TO), at=now)


@pytest.mark.xdist_group("many-connections")
@pytest.mark.django_db(transaction=True)
def test_it_accepts_one_batch_of_fifty_requests_at_once(bills: SigningIdentity, now: datetime) -> None:
    """Nobody sees a half: all fifty get the same batch and the same messages."""
    answers: list[tuple[UUID, tuple[UUID, ...]]] = []
    start = threading.Barrier(50)

    def ask() -> None:
        start.wait()
        try:
            accepted = send(bills, letter(TO), letter(TO), at=now, key="one")
            answers.append((accepted.batch, tuple(item.id for item in accepted.messages)))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 50
    assert len(set(answers)) == 1
    assert (Batch.objects.count(), Message.objects.count(), SendEvent.objects.count()) == (1, 2, 2)


def test_it_fixes_what_a_message_is_at_acceptance(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    message = only_message()
    assert message.reference == f"ref-{TO}"
    assert message.size == len(SECRET_WORDS)
    assert message.expires_at == now + timedelta(days=14)
    assert len(message.subject_digest) == 64


def test_it_keeps_no_digest_that_a_guess_could_be_compared_with(bills: SigningIdentity, offers: SigningIdentity, now: datetime) -> None:
    """The digests outlive the content; Charlie, who sent the same, or has read the table, learns nothing of it."""
    for identity in (bills, bills, offers):
        send(identity, letter(TO), at=now)
    digests = Message.objects.values_list("subject_digest", flat=True)
    ours, charlies = (set(digests.filter(organization=identity.organization)) for identity in (bills, offers))
    assert len(ours) == 1, "the same subject, the same digest"
    assert not ours & charlies
    assert sha256(SUBJECT.encode()).hexdigest() not in ours | charlies
    assert "0" * 64 not in Batch.objects.values_list("body_digest", flat=True)
