"""The event log only grows: the database itself refuses the rest."""

from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from directory.models import DirectoryEvent, Organization

TABLE = "directory_directoryevent"


@pytest.fixture
def _truncation_refused(bank: Organization) -> None:
    """Tests that empty tables need the trigger off; here it is on, as on a real server."""
    del bank
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER events_stay")


@pytest.mark.usefixtures("_truncation_refused")
@pytest.mark.parametrize("statement", [f"UPDATE {TABLE} SET actor = 'user:charlie'", f"DELETE FROM {TABLE}", f"TRUNCATE {TABLE}"])  # noqa: S608 - fixed text
def test_nobody_rewrites_an_event(statement: str) -> None:
    before = list(DirectoryEvent.objects.values())
    assert before
    with pytest.raises(IntegrityError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(DirectoryEvent.objects.values()) == before


def test_an_event_says_who_did_what_to_whom_and_when(bank: Organization, at: datetime) -> None:
    event = DirectoryEvent.objects.get()
    assert (event.actor, event.verb, event.subject, event.organization, event.at) == (
        "user:reviewer",
        "organization.created",
        f"organization:{bank.id}",
        bank,
        at,
    )
    assert event.detail == {"organization_identifier": "NTRDE-DER3306.HRB1", "domain": "bank.example.com"}
