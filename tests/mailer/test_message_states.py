"""The table of a message's states, and the one move: compare-and-set on status and lease, with its line in the send log."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from django.db import DatabaseError, connection, transaction

from directory.copying import fetch_bound
from mailer.message_states import TRANSITIONS, Step, WrongTransitionError, _Kind, _statement, move
from mailer.models import Message, MessageStatus, SendEvent, SigningIdentity
from tests.mailer.letters import history, letter, only_message, send

TO = "bob@people.example.org"
# As the API's description tells them to whoever writes a client.
PROMISED = {
    "queued": {"sealing", "sealed", "cancelled"},
    "sealing": {"sealed", "held", "failed"},
    "held": {"queued", "expired", "cancelled"},
    "sealed": {"handing", "queued", "failed"},
    "handing": {"handed", "queued", "failed", "sealed", "unknown"},
    "handed": {"delivered", "bounced"},
    "unknown": {"handed", "sealed"},
}


def test_it_allows_what_the_api_promises_and_nothing_else() -> None:
    assert {source.value: {target.value for target in targets} for source, targets in TRANSITIONS.items() if targets} == PROMISED


@pytest.mark.parametrize(
    ("source", "target"),
    [pair for pair in product(MessageStatus, MessageStatus) if pair[1] not in TRANSITIONS[pair[0]]],
    ids=lambda status: status.value,
)
def test_it_refuses_every_other_transition(source: MessageStatus, target: MessageStatus) -> None:
    with pytest.raises(WrongTransitionError):
        move([], source=source, target=target, actor="user:alice")


def test_it_moves_once(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    step = Step(only_message().id)
    assert move([step], source=MessageStatus.QUEUED, target=MessageStatus.CANCELLED, actor="user:alice") == {step.message}
    assert move([step], source=MessageStatus.QUEUED, target=MessageStatus.CANCELLED, actor="user:alice") == set()
    assert history(only_message()) == ["accepted", "cancelled"]
    assert SendEvent.objects.get(event="cancelled").actor == "user:alice"


def test_it_asks_for_the_lease(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    step = Step(only_message().id)
    move([step], source=MessageStatus.QUEUED, target=MessageStatus.SEALING, actor="system:worker", take=timedelta(seconds=60))
    message = only_message()
    assert (message.attempt, message.lease_token) == (1, 1)
    assert message.lease_until is not None
    for lease in (0, 2):
        assert not move([step._replace(lease=lease)], source=MessageStatus.SEALING, target=MessageStatus.FAILED, actor="system:worker")
    assert move([step._replace(lease=1)], source=MessageStatus.SEALING, target=MessageStatus.FAILED, actor="system:worker")


def test_it_takes_a_lapsed_lease_for_none_unless_told(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    message = only_message()
    move([Step(message.id)], source=MessageStatus.QUEUED, target=MessageStatus.SEALING, actor="system:worker", take=timedelta(seconds=60))
    Message.objects.update(lease_until=now - timedelta(seconds=1))
    held = Step(message.id, lease=1)
    assert not move([held], source=MessageStatus.SEALING, target=MessageStatus.FAILED, actor="system:worker")
    assert move([held], source=MessageStatus.SEALING, target=MessageStatus.FAILED, actor="system:worker", even_if_lapsed=True)


def test_it_forgets_content_when_a_message_ends(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    move([Step(only_message().id)], source=MessageStatus.QUEUED, target=MessageStatus.CANCELLED, actor="user:alice")
    assert only_message().content is None


def test_it_writes_nothing_where_the_transaction_ends_badly(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)

    def fail() -> None:
        with transaction.atomic():
            move([Step(only_message().id)], source=MessageStatus.QUEUED, target=MessageStatus.CANCELLED, actor="user:alice")
            raise DatabaseError

    with pytest.raises(DatabaseError):
        fail()
    assert (only_message().status, history(only_message())) == (MessageStatus.QUEUED, ["accepted"])


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in product(MessageStatus, MessageStatus) if pair[1] in TRANSITIONS[pair[0]]], ids=lambda status: status.value
)
def test_it_looks_at_no_other_messages(source: MessageStatus, target: MessageStatus, bills: SigningIdentity, now: datetime) -> None:
    """Whatever the planner believes of how many have that status: a move of one must not read through a hundred thousand."""
    send(bills, letter(TO), at=now)
    statement = _statement(_Kind(("lease", "detail"), source, target, takes=False, even_if_lapsed=False, free=False))
    parameters = {"ids": [only_message().id], "lease": [1], "detail": ["x"], "source": source.value, "target": target.value}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in fetch_bound("EXPLAIN " + statement, {**parameters, "event": "x", "actor": "x", "mask": "*"}))
    assert "Index Scan using mailer_message_pkey" in plan
    assert "message_queued" not in plan
    assert "message_leased" not in plan


@pytest.mark.parametrize("change", ["UPDATE mailer_sendevent SET event = 'delivered'", "DELETE FROM mailer_sendevent", "TRUNCATE mailer_sendevent"])
def test_it_has_a_log_that_only_grows(change: str, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE mailer_sendevent ENABLE TRIGGER send_log_stays")
        with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
            cursor.execute(change)
        transaction.set_rollback(True)
