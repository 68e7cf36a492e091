"""The send log's months: one partition each, made ahead, dropped whole when their time is over.

The default partition takes lines of a month that nobody made, so that nothing is refused; lines in it are an alarm, and are moved home.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from directory.events import record

logger = logging.getLogger(__name__)
AHEAD = 3
# Rather try again in an hour than have writers of the log wait behind us for a lock.
_LOCK = "SET LOCAL lock_timeout = '3s'"
_MONTHS = """
SELECT c.relname, split_part(pg_get_expr(c.relpartbound, c.oid), '''', 4)::timestamptz
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'mailer_sendevent'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT' ORDER BY 2
"""
_IN_FLIGHT = (
    "SELECT EXISTS (SELECT FROM mailer_message WHERE status IN ('queued', 'sealing', 'held', 'sealed', 'handing', 'unknown') AND accepted_at < %s)"
)
_MADE_ANEW = """
CREATE TABLE mailer_sendevent_default PARTITION OF mailer_sendevent DEFAULT;
CREATE TRIGGER send_log_stays BEFORE TRUNCATE ON mailer_sendevent_default FOR EACH STATEMENT EXECUTE FUNCTION mailer_send_log_only_grows();
"""


@dataclass(frozen=True)
class Month:
    """A partition; `end` is the first moment after it."""

    name: str
    end: datetime


def months() -> list[Month]:
    """All partitions but the default one, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_MONTHS)
        return [Month(*row) for row in cursor.fetchall()]


def count_strays() -> int:
    """The lines in the default partition: anything but 0 is an alarm, since no month was made ahead for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mailer_sendevent_default")
        [(strays,)] = cursor.fetchall()
        return int(strays)


def month_begin(at: datetime, *, back: int = 0) -> datetime:
    """Midnight UTC of the first day of the month of `at`, or of `back` months before it."""
    year, month = divmod(at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1 - back, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


@transaction.atomic
def make_months(*, at: datetime, actor: str) -> list[str]:
    """The partitions of this month and of those to come; returns those that were not there yet. May run at any time, in any number."""
    adopt_strays(at=at, actor=actor)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        made = []
        for number in range(AHEAD + 1):
            cursor.execute("SELECT mailer_send_log_month(%s)", [month_begin(at, back=-number)])
            made += [row[0] for row in cursor.fetchall() if row[0]]
    return made


@transaction.atomic
def adopt_strays(*, at: datetime, actor: str) -> int:
    """Move the lines of the default partition to months of their own; returns how many. That there are any is an alarm."""
    strays = count_strays()
    if not strays:
        return 0
    with connection.cursor() as cursor:
        logger.error("ALARM: %d lines of the send log were written for a month that has no partition", strays)
        cursor.execute(_LOCK)
        cursor.execute("ALTER TABLE mailer_sendevent DETACH PARTITION mailer_sendevent_default")
        cursor.execute("ALTER TABLE mailer_sendevent_default RENAME TO mailer_sendevent_strays")
        cursor.execute("SELECT DISTINCT mailer_send_log_month(at) FROM mailer_sendevent_strays")
        cursor.execute("INSERT INTO mailer_sendevent SELECT * FROM mailer_sendevent_strays")
        cursor.execute("DROP TABLE mailer_sendevent_strays")
        cursor.execute(_MADE_ANEW)
    record(actor=actor, verb="send_log.strays_moved", subject="send_log:default", at=at, detail={"lines": strays})
    return strays


def drop_months(*, before: datetime, actor: str, at: datetime) -> list[str]:
    """Drop the months that end at or before this moment; returns their names.

    A month in which a message was accepted that is still on its way stays, with an alarm: what is accepted is in the log.
    """
    dropped = []
    for month in months():
        if month.end > before:
            break
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_IN_FLIGHT, [month.end + timedelta(days=1)])
            if cursor.fetchall()[0][0]:
                logger.error("ALARM: %s is kept: a message that was accepted then is still on its way", month.name)
                break
            cursor.execute(_LOCK)
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(month.name)}")  # noqa: S608 - a table's name, quoted
            lines: int = cursor.fetchall()[0][0]
            cursor.execute(f"ALTER TABLE mailer_sendevent DETACH PARTITION {connection.ops.quote_name(month.name)}")
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(month.name)}")
            record(actor=actor, verb="send_log.month_dropped", subject=f"send_log:{month.name}", at=at, detail={"lines": lines})
        dropped.append(month.name)
    return dropped
