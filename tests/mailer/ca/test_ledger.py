"""The ledger moves along its table alone, one process at a time, and its log cannot be changed."""

from datetime import datetime

import pytest
from django.db import DatabaseError, connection, transaction

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.ca.errors import StaleLedgerError
from mailer.ca.ledger import TRANSITIONS, Step, move
from mailer.issuing import intend
from mailer.models import Issuance, IssuanceStatus, LedgerEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(bank: Organization, now: datetime) -> Issuance:
    return intend(organization=bank, address=EmailAddress.parse("bills@bank.example.com"), actor="user:alice", at=now)


@pytest.mark.parametrize("status", IssuanceStatus.values)
@pytest.mark.parametrize("step", Step)
def test_it_takes_the_steps_of_its_table_alone(row: Issuance, now: datetime, status: str, step: Step) -> None:
    Issuance.objects.filter(pk=row.pk).update(status=status)
    before = LedgerEvent.objects.count()
    target = TRANSITIONS.get((IssuanceStatus(status), step))
    if target is None:
        with pytest.raises(StaleLedgerError):
            move(row.id, step, actor="system:worker", at=now, facts={"reason": "never stored"})
    else:
        move(row.id, step, actor="system:worker", at=now, reason="why")
    row.refresh_from_db()
    assert row.status == (target or status)
    assert row.reason == ""
    assert LedgerEvent.objects.count() == before + (target is not None)


def test_it_leads_to_one_state_by_each_step() -> None:
    for step in Step:
        assert len({after for (_before, taken), after in TRANSITIONS.items() if taken is step}) == 1


def test_it_never_leaves_refused_or_revoked() -> None:
    assert not [before for before, _step in TRANSITIONS if before in {IssuanceStatus.REFUSED, IssuanceStatus.REVOKED}]


def test_it_compares_what_the_step_expects(row: Issuance, now: datetime) -> None:
    move(row.id, Step.ASSIGN, actor="system:worker", at=now, facts={"serial": "1a"})
    with pytest.raises(StaleLedgerError):
        move(row.id, Step.ISSUE, actor="system:signer", at=now, expect={"serial": "2b"})
    move(row.id, Step.ISSUE, actor="system:signer", at=now, expect={"serial": "1a"})


def test_it_keeps_row_and_log_together(row: Issuance, now: datetime) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        move(row.id, Step.ASSIGN, actor="x" * 101, at=now)
    row.refresh_from_db()
    assert row.status == IssuanceStatus.INTENDED


@pytest.mark.parametrize(
    "statement",
    ["UPDATE mailer_ledgerevent SET actor = 'charlie'", "DELETE FROM mailer_ledgerevent", "TRUNCATE mailer_ledgerevent"],
)
def test_it_has_a_log_that_only_grows(statement: str, now: datetime) -> None:
    with connection.cursor() as cursor:
        # Switched off for the tests' own cleaning; this is undone with the test.
        cursor.execute("ALTER TABLE mailer_ledgerevent ENABLE TRIGGER ledger_stays")
    LedgerEvent.objects.create(at=now, actor="user:alice", event="intend")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert LedgerEvent.objects.count() == 1


def test_it_gives_a_serial_number_to_one_row_alone(row: Issuance, shop: Organization, now: datetime) -> None:
    other = intend(organization=shop, address=EmailAddress.parse("post@shop.example.net"), actor="user:charlie", at=now)
    move(row.id, Step.ASSIGN, actor="system:worker", at=now, facts={"serial": "1a"})
    with pytest.raises(DatabaseError), transaction.atomic():
        move(other.id, Step.ASSIGN, actor="system:worker", at=now, facts={"serial": "1a"})
