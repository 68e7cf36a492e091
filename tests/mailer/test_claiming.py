"""What is claimed next: in order, as much as fits, no domain more than its share, nothing that is paused or rests."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from directory.models import Organization
from directory.organizations import suspend
from mailer import claiming
from mailer.claiming import CHUNK, MANY_ATTEMPTS, claim, give_back
from mailer.models import Message, MessageStatus, Pause, SigningIdentity
from mailer.pausing import pause, resume
from mailer.reconciling import reconcile
from mailer.relays import Silent
from tests.mailer.letters import letter, send

PEOPLE, SHOP = "people.example.org", "shop.example.net"


def queue(identity: SigningIdentity, count: int, domain: str = PEOPLE, *, at: datetime, text: str = "x") -> None:
    send(identity, *[letter(f"c{number}@{domain}", text=text) for number in range(count)], at=at)


def domains(limit: int = CHUNK) -> list[str]:
    return [message.domain for message in claim(limit).messages]


def test_it_gives_what_sealing_needs(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter("Bob@People.example.org"), at=now)
    (held,) = claim().messages
    row = Message.objects.get()
    assert (held.status, held.lease_token, held.attempt) == (row.status, row.lease_token, row.attempt) == (MessageStatus.SEALING, 1, 1)
    assert (held.organization, held.legal_name, held.identity) == (bills.organization_id, "Muster Bank AG", bills.pk)
    assert (held.sender, held.recipient, held.match, held.domain) == (bills.address, "Bob@people.example.org", row.match, PEOPLE)
    assert (held.message_id, held.on_missing, held.accepted_at) == (row.message_id, "hold", now)
    assert (held.content, held.sealed, held.subject_policy, held.neutral_subject) == (bytes(row.content or b""), None, "neutral", "")


def test_it_takes_the_oldest_first_and_a_chunk_at_a_time(bills: SigningIdentity, now: datetime) -> None:
    queue(bills, 3, SHOP, at=now)
    queue(bills, 3, PEOPLE, at=now - timedelta(minutes=1))
    assert [message.domain for message in claim(4).messages] == [PEOPLE] * 3 + [SHOP]
    assert domains() == [SHOP] * 2
    assert domains() == []


def test_it_takes_no_more_than_fits_into_its_memory(bills: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "CHUNK_OCTETS", 1000)
    queue(bills, 5, at=now, text="x" * 400)
    assert len(domains()) == 2
    queue(bills, 1, SHOP, at=now - timedelta(minutes=1), text="x" * 4000)
    assert domains() == [SHOP], "one that is larger goes alone"
    assert len(domains()) == 2


def test_a_domain_has_no_more_than_its_share_under_way(bills: SigningIdentity, now: datetime, settings: Settings) -> None:
    settings.LETTERLOCK_DOMAIN_MESSAGES = 3
    queue(bills, 10, at=now - timedelta(minutes=1))
    queue(bills, 2, SHOP, at=now)
    assert len(claim(2).messages) == 2
    assert domains() == [PEOPLE, SHOP, SHOP], "as many as there is room for, and the others behind them"
    assert domains() == []
    Message.objects.filter(domain=PEOPLE, status=MessageStatus.SEALING).update(status=MessageStatus.HELD, lease_until=None)
    assert domains() == [PEOPLE] * 3


def test_it_leaves_domains_that_rest(bills: SigningIdentity, now: datetime) -> None:
    queue(bills, 2, at=now)
    queue(bills, 1, SHOP, at=now)
    assert [message.domain for message in claim(resting=[PEOPLE]).messages] == [SHOP]


@pytest.mark.parametrize("scope", ["everything", "organization", "domain", "both"])
def test_it_takes_nothing_that_is_paused(scope: str, bank: Organization, bills: SigningIdentity, offers: SigningIdentity, now: datetime) -> None:
    """Charlie's shop goes on while Alice's bank pauses, and the other way round."""
    paused: dict[str, dict[str, Any]] = {
        "everything": {},
        "organization": {"organization": bank},
        "domain": {"domain": PEOPLE},
        "both": {"organization": bank, "domain": PEOPLE},
    }
    goes_on = {"everything": set(), "organization": {(offers.pk, PEOPLE), (offers.pk, SHOP)}, "domain": {(bills.pk, SHOP), (offers.pk, SHOP)}}
    goes_on["both"] = {(bills.pk, SHOP), (offers.pk, PEOPLE), (offers.pk, SHOP)}
    for identity in (bills, offers):
        for domain in (PEOPLE, SHOP):
            queue(identity, 1, domain, at=now)
    begun = pause(reason="asked to", actor="user:alice", at=now, **paused[scope])
    assert {(message.identity, message.domain) for message in claim().messages} == goes_on[scope]
    resume(organization=begun.organization, domain=begun.domain, actor="user:alice", at=now)
    claim()
    assert set(Message.objects.values_list("status", flat=True)) == {MessageStatus.SEALING}


@pytest.mark.parametrize("status", [MessageStatus.SEALING, MessageStatus.HANDING])
def test_what_lapsed_waits_for_the_end_of_a_pause_unless_it_is_in_doubt(status: MessageStatus, bills: SigningIdentity, now: datetime) -> None:
    queue(bills, 1, at=now)
    claim()
    values = {"status": status, "lease_until": now - timedelta(minutes=5)}
    Message.objects.update(**values, **({"sealed": b"x", "content": None} if status == MessageStatus.HANDING else {}))
    pause(reason="", actor="system:operator", at=now)
    assert claim().messages == []
    assert reconcile(Silent()) == (1 if status == MessageStatus.HANDING else 0), "the reconciler goes on"
    resume(actor="system:operator", at=now)
    assert len(claim().messages) == (0 if status == MessageStatus.HANDING else 1)


def test_it_reads_the_queue_by_its_index(bills: SigningIdentity, now: datetime) -> None:
    """However long the queue is and however old the statistics: a claim locks a chunk and sorts nothing."""
    queue(bills, 50, at=now)
    with connection.cursor() as cursor:
        cursor.execute(claiming._IN_ORDER)
        values: dict[str, Any] = {
            "resting": [],
            "after": now - timedelta(days=1),
            "after_id": UUID(int=1),
            "most": 200,
            "active": "active",
            "limit": 10,
        }
        cursor.execute("EXPLAIN " + claiming._READY, values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using message_queued" in plan
    assert "Sort" not in plan


def test_a_domain_at_its_share_lets_those_behind_it_by(bills: SigningIdentity, now: datetime, settings: Settings) -> None:
    """Charlie's shop has a long queue to one domain; the bank's few to another do not wait for the end of it."""
    settings.LETTERLOCK_DOMAIN_MESSAGES = 3
    queue(bills, 25, at=now - timedelta(minutes=1))
    queue(bills, 2, SHOP, at=now)
    assert [message.domain for message in claim(10).messages] == [PEOPLE] * 3 + [SHOP] * 2
    assert claim(10).messages == []


def test_what_is_kept_back_in_masses_is_not_walked_past_at_each_claim(
    bank: Organization, bills: SigningIdentity, offers: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor forgotten: the bank's pause ends, and its letters come as soon as there is nothing behind them, or the time is over."""
    monkeypatch.setattr(claiming, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(claiming, "SPARED", 1e6)
    queue(bills, 3, PEOPLE, at=now - timedelta(minutes=1))
    queue(offers, 6, SHOP, at=now)
    pause(organization=bank, reason="", actor="user:alice", at=now)
    assert domains(2) == [SHOP] * 2
    resume(organization=bank, actor="user:alice", at=now)
    assert domains(2) == [SHOP] * 2
    monkeypatch.setattr(claiming._front, "until", 0.0)
    assert domains(2) == [PEOPLE] * 2
    assert domains(2) == [PEOPLE, SHOP]
    assert domains() == [SHOP]
    queue(bills, 1, PEOPLE, at=now - timedelta(minutes=2))
    assert domains() == [PEOPLE], "there is nothing behind"
    claiming._front.until = 0.0


def test_what_was_given_back_is_taken_again_at_once_and_together(bills: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody died of it: it costs no attempt, however often it happens, and what is new waits behind it."""
    queue(bills, 10, at=now - timedelta(minutes=1), text="x" * 400)
    queue(bills, 2, SHOP, at=now)
    begun = claim(10).messages
    for _ in range(MANY_ATTEMPTS + 1):
        give_back(begun)
        again = claim()
        assert again.retaken
        assert {message.id for message in again.messages} == {message.id for message in begun}
        assert {message.attempt for message in again.messages} == {1}
        assert not {message.lease_token for message in again.messages} & {message.lease_token for message in begun}
        begun = again.messages
    assert domains() == [SHOP, SHOP]
    give_back(begun)
    monkeypatch.setattr(claiming, "CHUNK_OCTETS", 1000)
    assert [len(claim().messages) for _ in range(6)] == [2, 2, 2, 2, 2, 0]


def test_what_another_worker_let_lapse_is_taken_one_at_a_time(bills: SigningIdentity, now: datetime) -> None:
    queue(bills, 3, at=now)
    died = claim().messages
    Message.objects.update(lease_until=now - timedelta(minutes=5))
    give_back(died[:1])
    assert [message.id for message in claim().messages] == [died[0].id], "nobody died of this one"
    for _ in range(2):
        (message,) = claim().messages
        assert message.attempt == 2
    assert claim().messages == []


def test_a_suspended_organisations_messages_are_not_taken_again(
    bank: Organization, bills: SigningIdentity, offers: SigningIdentity, now: datetime
) -> None:
    """Alice's bank is suspended; Charlie's shop goes on."""
    for identity, minutes in ((bills, 2), (offers, 1)):
        queue(identity, 2, at=now - timedelta(minutes=minutes))
    begun = claim().messages
    suspend(organization=bank, reason="asked to", actor="user:reviewer", at=now)
    Message.objects.update(lease_until=now - timedelta(minutes=5))
    give_back([begun[0], begun[-1]])
    assert [{message.organization for message in claim().messages} for _ in range(3)] == [{offers.organization_id}] * 2 + [set()]


def test_workers_together_take_no_more_of_a_domain_than_its_share(
    transactional_db: None, bills: SigningIdentity, now: datetime, settings: Settings
) -> None:
    del transactional_db
    settings.LETTERLOCK_DOMAIN_MESSAGES = 8
    queue(bills, 600, at=now - timedelta(minutes=1))
    queue(bills, 5, SHOP, at=now)
    start = threading.Barrier(5)

    def work() -> list[str]:
        start.wait()
        try:
            return domains()
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        taken = Counter(domain for worker in [pool.submit(work) for _ in range(5)] for domain in worker.result(60))
    assert taken == {PEOPLE: 8, SHOP: 5}


def test_two_workers_take_different_messages(transactional_db: None, bills: SigningIdentity, now: datetime) -> None:
    del transactional_db
    queue(bills, 10, at=now)
    taken: list[UUID] = [message.id for chunk in (claim(4), claim(4), claim(4)) for message in chunk.messages]
    assert len(set(taken)) == len(taken) == 10
    assert Pause.objects.count() == 0
