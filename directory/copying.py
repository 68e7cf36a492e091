"""Many rows at once: COPY in PostgreSQL's binary format, and statements whose arrays are bound and not written into the text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection


def copy_rows(table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows to a table; `columns` are their names and PostgreSQL types in the rows' order. Table and columns are ours, never input."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def fetch_bound(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement, in the transaction that is under way; its parameters travel beside it, `%(name)b` in binary, and so do the rows.

    Django's own cursor has both as text, where a mail is twice as long and is read twice.
    """
    # As Django's own cursor begins. Prepared, since planning one of these takes about as long as carrying it out for a single message.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement, parameters, prepare=True, binary=True).fetchall()
