"""The send log by the month: made ahead, closed to changes one by one, dropped whole; a month that is missing loses nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from directory.models import DirectoryEvent
from mailer import partitions
from mailer.alarms import standing_alarms
from mailer.message_states import note
from mailer.models import Message, SendEvent, SigningIdentity
from mailer.partitions import AHEAD, adopt_strays, drop_months, make_months, month_begin, months
from tests.mailer.letters import history, letter, only_message, send

TO = "bob@people.example.org"
OPERATOR = "user:operator"


def test_it_carries_an_older_log_over(bills: SigningIdentity, now: datetime) -> None:
    """Back to one table and forth again, as an installation of before is brought up to date."""
    send(bills, letter(TO), at=now)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        MigrationExecutor(connection).migrate([("mailer", "0004_pauses_policies_erasure")])
        cursor.execute(
            "INSERT INTO mailer_sendevent (message_id, organization_id, at, attempt, event, detail, actor) "
            "SELECT id, organization_id, now() - interval '40 days', 1, 'failed', '550 <bob@people.example.org> who?', 'system:worker' "
            "FROM mailer_message"
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes("mailer"))
        cursor.execute("SELECT count(*) FROM mailer_sendevent_default")
        assert cursor.fetchone() == (0,)
    assert history(only_message()) == ["accepted", "failed"]
    assert SendEvent.objects.get(event="failed").detail == "550 *** who?"
    assert SendEvent.objects.create(message=only_message(), organization=bills.organization, event="x", actor="x").id > 2


def counted(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of this file
        return int(cursor.fetchall()[0][0])


def month_of(at: datetime) -> str:
    return f"mailer_sendevent_{at:%Y_%m}"


@pytest.mark.django_db
def test_it_has_months_ahead(now: datetime) -> None:
    assert {month_of(now), month_of(month_begin(now, back=-AHEAD))} <= {month.name for month in months()}
    assert make_months(at=now, actor=OPERATOR) == []
    later = month_begin(now, back=-AHEAD - 2)
    assert make_months(at=later, actor=OPERATOR)[-1] == month_of(month_begin(later, back=-AHEAD))
    assert make_months(at=later, actor=OPERATOR) == []


@pytest.mark.parametrize(
    ("at", "back", "begin"),
    [
        (datetime(2026, 1, 31, 23, tzinfo=UTC), 1, datetime(2025, 12, 1, tzinfo=UTC)),
        (datetime(2026, 1, 31, 23, tzinfo=UTC), 24, datetime(2024, 1, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, tzinfo=UTC), -1, datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime.fromisoformat("2026-03-01T00:30:00+01:00"), 0, datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_it_counts_months_in_utc(at: datetime, back: int, begin: datetime) -> None:
    assert month_begin(at, back=back) == begin


def test_it_writes_where_the_month_is(bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    note([only_message().id], event="delayed", actor=OPERATOR, at=month_begin(now, back=-2))
    assert (counted(month_of(datetime.now(UTC))), counted(month_of(month_begin(now, back=-2))), counted("mailer_sendevent_default")) == (1, 1, 0)


@pytest.mark.parametrize("change", ["UPDATE {} SET event = 'delivered'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("place", ["month", "default", "new"])
def test_it_refuses_changes_in_each_partition(change: str, place: str, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    later = month_begin(now, back=-AHEAD - 1)
    at = {"month": now, "default": now - timedelta(days=4000), "new": later}[place]
    if place == "new":
        make_months(at=later, actor=OPERATOR)
    note([only_message().id], event="delayed", actor=OPERATOR, at=at)
    table = "mailer_sendevent_default" if place == "default" else month_of(at)
    assert counted(table)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER send_log_stays")
        with pytest.raises(DatabaseError, match="only grows"), transaction.atomic():
            cursor.execute(change.format(table))
        transaction.set_rollback(True)


def test_it_loses_no_line_of_a_missing_month_and_moves_it_home(bills: SigningIdentity, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    send(bills, letter(TO), at=now)
    late = month_begin(now, back=-AHEAD - 5)
    for at in (late, late, late - timedelta(days=400), now):
        note([only_message().id], event="delayed", actor=OPERATOR, at=at)
    before = list(SendEvent.objects.order_by("id").values())
    assert counted("mailer_sendevent_default") == standing_alarms(at=now).strays == 3
    assert standing_alarms(at=now).are_raised(at=now)
    assert make_months(at=late, actor=OPERATOR)
    assert "ALARM: 3 lines" in caplog.text
    assert (counted("mailer_sendevent_default"), counted(month_of(late))) == (0, 2)
    assert list(SendEvent.objects.order_by("id").values()) == before
    assert DirectoryEvent.objects.get(verb="send_log.strays_moved").detail == {"lines": 3}
    assert adopt_strays(at=late, actor=OPERATOR) == 0
    assert not standing_alarms(at=now).are_raised(at=now)


def test_it_drops_whole_months_and_says_so(bills: SigningIdentity, now: datetime) -> None:
    old = month_begin(now, back=3)
    with connection.cursor() as cursor:
        for at in (old, month_begin(now, back=2)):
            cursor.execute("SELECT mailer_send_log_month(%s)", [at])
    send(bills, letter(TO), at=now)
    for at in (old, old + timedelta(days=2), month_begin(now, back=2)):
        note([only_message().id], event="delayed", actor=OPERATOR, at=at)
    assert drop_months(before=month_begin(now, back=2), actor=OPERATOR, at=now) == [month_of(old)]
    event = DirectoryEvent.objects.get(verb="send_log.month_dropped")
    assert (event.actor, event.subject, event.detail) == (OPERATOR, f"send_log:{month_of(old)}", {"lines": 2})
    assert SendEvent.objects.count() == 2
    assert drop_months(before=month_begin(now, back=2), actor=OPERATOR, at=now) == []


def test_it_keeps_the_month_of_a_message_that_is_still_on_its_way(bills: SigningIdentity, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    """Such as one of an organisation that was suspended two years ago."""
    old = month_begin(now, back=3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT mailer_send_log_month(%s)", [old])
    send(bills, letter(TO), at=now)
    Message.objects.update(accepted_at=old + timedelta(hours=1))
    note([only_message().id], event="delayed", actor=OPERATOR, at=old + timedelta(hours=1))
    assert drop_months(before=now, actor=OPERATOR, at=now) == []
    assert f"ALARM: {month_of(old)} is kept" in caplog.text
    assert partitions.months()[0].name == month_of(old)
