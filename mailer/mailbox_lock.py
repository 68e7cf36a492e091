"""One mailbox, one decision at a time: limits that count rows must not be passed by two transactions that count at once."""

from django.db import connection


def lock_mailbox(match: str, *, purpose: str) -> None:
    """Wait for other transactions that decide on this folded address for this purpose; held to the end of this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{purpose}:{match}"])
