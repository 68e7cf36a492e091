"""The send log's lines as acceptance writes them, and as a bare COPY in binary does. Runs inside Django.

The bare side has a table with the same columns and a primary key, and nothing else: no partitions, further indexes or checks.
Both write a thousand lines a transaction over the same connection, which waits for each commit to be on the disk.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import connection, transaction

from bench.interleave import Comparison, Side, compare, repeated
from directory.copying import copy_rows
from mailer.ids import fresh_ids
from mailer.message_rows import EVENT_COLUMNS, EventRow
from mailer.models import SigningIdentity

LINES = 1000
ROUNDS, SECONDS = 7, 0.4
_BARE = """
CREATE TABLE bare_log (id bigserial, message_id uuid NOT NULL, organization_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT statement_timestamp(),
    attempt integer NOT NULL, event varchar(30) NOT NULL, detail text NOT NULL, actor varchar(100) NOT NULL, PRIMARY KEY (id));
"""
_COPY = f"COPY bare_log ({', '.join(EVENT_COLUMNS)}) FROM STDIN (FORMAT BINARY)"


def log_lines() -> Comparison:
    """In thousands of lines."""
    identity = SigningIdentity.objects.get()
    rows = [EventRow(message, identity.organization_id, "token:bench") for message in fresh_ids(LINES, at=datetime.now(UTC))]

    def ours() -> None:
        copy_rows("mailer_sendevent", EVENT_COLUMNS, rows)

    def bare() -> None:
        with connection.connection.cursor().copy(_COPY) as copy:
            copy.set_types(list(EVENT_COLUMNS.values()))
            for row in rows:
                copy.write_row(row)

    return compare(_in_transactions(ours), _in_transactions(bare), rounds=ROUNDS, seconds=SECONDS)


def _in_transactions(write: Callable[[], None]) -> Side:
    """A thousand lines are one unit."""

    def once() -> None:
        with transaction.atomic():
            write()

    return repeated(once)


def main(_arguments: list[str]) -> None:
    """Print the comparison."""
    with connection.cursor() as cursor:
        cursor.execute(_BARE)
    found = log_lines()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare_log")
    json.dump(found._asdict(), sys.stdout)
