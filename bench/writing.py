"""The send log's lines and the outbox's rows, as acceptance writes them and as a bare COPY in binary does. Runs inside Django.

The bare side has tables with the same columns and a primary key, and nothing else: no partitions, further indexes, references or checks.
Both write a thousand rows a transaction over the same connection, which waits for each commit to be on the disk.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from bench import sealing
from bench.interleave import Comparison, Side, compare, repeated
from directory.x509.names import EmailAddress
from mailer.copying import copy_rows
from mailer.custody import cipher_of
from mailer.ids import fresh_ids
from mailer.message_rows import EVENT_COLUMNS, MESSAGE_COLUMNS, EventRow, MessageRow, OutgoingMessage, rows_of, store
from mailer.models import Batch, SigningIdentity
from mailer.smime.entity import Content

LINES = 1000
ROUNDS, SECONDS = 7, 0.4
_BARE = """
CREATE TABLE bare_log (id bigserial, message_id uuid NOT NULL, organization_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT statement_timestamp(),
    attempt integer NOT NULL, event varchar(30) NOT NULL, detail text NOT NULL, actor varchar(100) NOT NULL, PRIMARY KEY (id));
CREATE TABLE bare_message (LIKE mailer_message INCLUDING STORAGE);
ALTER TABLE bare_message ADD PRIMARY KEY (id);
"""


def _bare_copy(table: str, columns: dict[str, str], rows: Sequence[Sequence[Any]]) -> None:
    with connection.connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def log_lines() -> Comparison:
    """Lines of the send log alone: the ledger of what was done."""
    identity = SigningIdentity.objects.get()
    messages = fresh_ids(LINES, at=datetime.now(UTC))
    rows = [EventRow(message, identity.organization_id, "token:bench") for message in messages]

    def ours() -> None:
        copy_rows("mailer_sendevent", EVENT_COLUMNS, rows)

    def bare() -> None:
        _bare_copy("bare_log", EVENT_COLUMNS, rows)

    return compare(_in_transactions(ours), _in_transactions(bare), rounds=ROUNDS, seconds=SECONDS)


def messages_and_lines() -> Comparison:
    """Messages of 4 KB with the line that says that they were accepted."""
    identity = SigningIdentity.objects.get()
    prepared = _prepared(identity)

    def ours() -> None:
        batch, rows = next(prepared)
        batch.save(force_insert=True)
        store(batch, rows)

    def bare() -> None:
        batch, rows = next(prepared)
        _bare_copy("bare_message", MESSAGE_COLUMNS, rows)
        _bare_copy("bare_log", EVENT_COLUMNS, [EventRow(row.id, batch.organization_id, batch.actor) for row in rows])

    return compare(_in_transactions(ours), _in_transactions(bare), rounds=ROUNDS, seconds=SECONDS)


def _prepared(identity: SigningIdentity) -> Iterator[tuple[Batch, list[MessageRow]]]:
    """Rows with ids of their own each time; their content is encrypted once, since that is not what is measured."""
    at = datetime.now(UTC)
    items = [OutgoingMessage(EmailAddress.parse(f"c{number}@example.net"), Content("Your statement", sealing.TEXT)) for number in range(LINES)]

    def batch() -> Batch:
        return Batch(organization_id=identity.organization_id, identity=identity, actor="token:bench", accepted_at=at, id=fresh_ids(1, at=at)[0])

    cipher, sender = cipher_of(identity.organization_id), EmailAddress.parse(identity.address)
    first = rows_of(batch(), items, cipher=cipher, sender=sender, at=at, hold_days=14)
    while True:
        fresh, ids = batch(), fresh_ids(LINES, at=at)
        yield (
            fresh,
            [
                row._replace(id=message, batch_id=fresh.id, message_id=f"<{message}@bank.example.com>")
                for message, row in zip(ids, first, strict=True)
            ],
        )


def _in_transactions(write: Callable[[], None]) -> Side:
    """A thousand rows are one unit."""

    def once() -> None:
        with transaction.atomic():
            write()

    return repeated(once)


SIDES = {"log": log_lines, "messages": messages_and_lines}


def main(arguments: list[str]) -> None:
    """Print the comparison of one kind, in thousands of rows."""
    with connection.cursor() as cursor:
        cursor.execute(_BARE)
    found = SIDES[arguments[0]]()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare_log, bare_message")
    json.dump(found._asdict(), sys.stdout)
