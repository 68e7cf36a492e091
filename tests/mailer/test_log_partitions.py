"""The send log by the month: made ahead, closed to changes one by one, dropped whole; a month that is missing loses nothing."""

from datetime import datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mailer.models import SendEvent, SigningIdentity
from tests.mailer.letters import history, letter, only_message, send

TO = "bob@people.example.org"


@pytest.mark.django_db
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
