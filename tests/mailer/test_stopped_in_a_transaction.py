"""A process that is stopped inside a transaction keeps its locks no longer than a lease."""

from datetime import timedelta

from django.conf import settings
from django.db import connection


def test_the_database_ends_a_transaction_in_which_nothing_is_said_for_a_lease(db: None) -> None:  # noqa: ARG001 - a connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting::int FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")
        assert timedelta(milliseconds=cursor.fetchone()[0]) == timedelta(seconds=settings.LETTERLOCK_LEASE_SECONDS)
