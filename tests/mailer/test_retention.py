"""How long things are kept: ended messages go with their months, what is on its way stays whatever its age."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from directory.models import Change, ChangeKind, DirectoryEvent
from mailer import retention
from mailer.models import FINAL, Batch, Message, MessageStatus, SendEvent, SigningIdentity
from mailer.outbox import Accepted
from mailer.partitions import month_begin
from mailer.retention import delete_changes, delete_ended, keep_within_time
from tests.mailer.letters import letter, send

TO = "bob@people.example.org"
WORKER = "system:worker"


def send_at(identity: SigningIdentity, count: int, *, at: datetime) -> Accepted:
    """As if it had been accepted then, when the identity had another certificate."""
    accepted = send(identity, *[letter(TO)] * count, at=datetime.now(UTC))
    Batch.objects.filter(pk=accepted.batch).update(accepted_at=at)
    Message.objects.filter(batch=accepted.batch).update(accepted_at=at, not_before=at, expires_at=at + timedelta(days=14))
    return accepted


def end(**found: object) -> None:
    Message.objects.filter(**found).update(status=MessageStatus.HANDED, content=None)


def test_it_deletes_what_ended_before_its_months_and_nothing_newer(bills: SigningIdentity, now: datetime, settings: Settings) -> None:
    settings.LETTERLOCK_LOG_MONTHS = 24
    edge = month_begin(now, back=24)
    old, kept = send_at(bills, 2, at=edge - timedelta(seconds=1)), send_at(bills, 1, at=edge)
    end()
    keep_within_time(at=now, actor=WORKER)
    assert [message.batch_id for message in Message.objects.all()] == [kept.batch]
    assert not Batch.objects.filter(pk=old.batch).exists()
    assert SendEvent.objects.filter(message=old.messages[0].id).exists(), "the log goes with its own month"
    event = DirectoryEvent.objects.get(verb="outbox.ended_deleted")
    assert (event.actor, event.detail) == (WORKER, {"messages": 2})


@pytest.mark.parametrize("status", [status for status in MessageStatus if status not in FINAL], ids=str)
def test_it_never_touches_what_is_on_its_way(status: MessageStatus, bills: SigningIdentity, now: datetime) -> None:
    accepted = send_at(bills, 2, at=now - timedelta(days=2000))
    sealed = None if status in {MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.HELD} else b"sealed"
    way = Message.objects.filter(pk=accepted.messages[0].id)
    way.update(status=status, sealed=sealed, **({"content": None} if sealed else {}))
    end(pk=accepted.messages[1].id)
    before = list(way.values())
    keep_within_time(at=now, actor=WORKER)
    assert list(Message.objects.values()) == before
    assert Batch.objects.filter(pk=accepted.batch).exists()


def test_it_works_in_small_steps_past_what_has_to_stay(bills: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCHES", 2)
    long_ago = now - timedelta(days=2000)
    batches = [send_at(bills, 1, at=long_ago + timedelta(days=number // 2)) for number in range(7)]
    stuck = {batches[0].batch, batches[1].batch, batches[4].batch}
    end(batch__in=[accepted.batch for accepted in batches if accepted.batch not in stuck])
    assert delete_ended(before=now, at=now, actor=WORKER) == 4
    assert {message.batch_id for message in Message.objects.all()} == {batch.id for batch in Batch.objects.all()} == stuck
    assert delete_ended(before=now, at=now, actor=WORKER) == 0


def test_it_leaves_what_somebody_is_ending_right_now(bills: SigningIdentity, now: datetime) -> None:
    """A batch of which one message is held is kept until that one has ended, too."""
    accepted = send_at(bills, 2, at=now - timedelta(days=2000))
    end(pk=accepted.messages[0].id)
    assert delete_ended(before=now, at=now, actor=WORKER) == 1
    end()
    assert delete_ended(before=now, at=now, actor=WORKER) == 1
    assert not Batch.objects.exists()


def test_it_forgets_changes_that_were_worked_off(bills: SigningIdentity, now: datetime) -> None:
    Change.objects.all().delete()
    for done_at in (None, now, now - timedelta(days=31)):
        Change.objects.create(kind=ChangeKind.INVITE, match=TO, address=TO, organization=bills.organization, actor="x", at=now, done_at=done_at)
    assert delete_changes(before=now - retention.CHANGES_KEPT) == 1
    assert {change.done_at for change in Change.objects.all()} == {None, now}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM mailer_batch WHERE accepted_at < now() ORDER BY accepted_at, id LIMIT 20", "batch_by_age"),
        ("UPDATE mailer_batch SET idempotency_key = NULL WHERE accepted_at < now() AND idempotency_key IS NOT NULL", "batch_with_key"),
    ],
)
def test_it_looks_through_no_whole_table(query: str, index: str, bills: SigningIdentity, now: datetime) -> None:
    """The table is as long as the months that are kept, and this is asked every hour, or every minute."""
    send(bills, letter(TO), at=now)
    with connection.cursor() as cursor:
        # So many that the plan is no matter of chance.
        cursor.execute(
            "INSERT INTO mailer_batch (id, organization_id, identity_id, idempotency_key, body_digest, on_missing, actor, accepted_at) "
            "SELECT gen_random_uuid(), organization_id, identity_id, 'key ' || n, body_digest, on_missing, actor, accepted_at + n * interval '1 h' "
            "FROM mailer_batch, generate_series(1, 5000) n"
        )
        cursor.execute("ANALYZE mailer_batch")
        cursor.execute("EXPLAIN " + query)
        assert index in "".join(row[0] for row in cursor.fetchall())
