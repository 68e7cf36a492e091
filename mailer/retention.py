"""How long things are kept: the send log and ended messages for the operator's number of months, worked-off changes for 30 days.

What is on its way is never touched. Everything is done in small steps, each a transaction of its own, and may be repeated.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from directory.events import record
from directory.models import Change
from mailer.models import FINAL
from mailer.partitions import drop_months, make_months, month_begin

CHANGES_KEPT = timedelta(days=30)
# At most 20,000 messages a transaction.
_BATCHES = 20
_CHANGES = 5000
_FIRST = UUID(int=0)
_DELETE = """
WITH old AS (
    SELECT id, accepted_at FROM mailer_batch WHERE accepted_at < %(before)s AND (accepted_at, id) > (%(at)s, %(id)s)
    ORDER BY accepted_at, id LIMIT %(limit)s
), gone AS (
    DELETE FROM mailer_message m USING old WHERE m.batch_id = old.id AND m.status = ANY(%(final)s) RETURNING m.id
)
SELECT (SELECT count(*) FROM gone), (SELECT array_agg(id ORDER BY accepted_at, id) FROM old), (SELECT max(accepted_at) FROM old)
"""
_DELETE_EMPTY = "DELETE FROM mailer_batch b WHERE b.id = ANY(%s) AND NOT EXISTS (SELECT FROM mailer_message m WHERE m.batch_id = b.id)"


def keep_within_time(*, at: datetime, actor: str) -> None:
    """Make the log's months to come; drop what is older than LETTERLOCK_LOG_MONTHS whole months, from the log and from the outbox."""
    make_months(at=at, actor=actor)
    before = month_begin(at, back=settings.LETTERLOCK_LOG_MONTHS)
    delete_ended(before=before, at=at, actor=actor)
    drop_months(before=before, at=at, actor=actor)
    delete_changes(before=at - CHANGES_KEPT)


def delete_ended(*, before: datetime, at: datetime, actor: str) -> int:
    """Delete the ended messages accepted before this moment, and batches of which nothing is left; returns how many messages."""
    deleted, last = 0, (datetime.min.replace(tzinfo=before.tzinfo), _FIRST)
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _DELETE,
                {"before": before, "at": last[0], "id": last[1], "limit": _BATCHES, "final": [status.value for status in FINAL]},
            )
            [(messages, batches, newest)] = cursor.fetchall()
            if not batches:
                return deleted
            cursor.execute(_DELETE_EMPTY, [batches])
            if messages:
                record(actor=actor, verb="outbox.ended_deleted", subject="outbox:ended", at=at, detail={"messages": messages})
        deleted, last = deleted + messages, (newest, batches[-1])


def delete_changes(*, before: datetime) -> int:
    """Delete what was worked off before this moment: the rows have done their work. Returns how many."""
    deleted = 0
    while True:
        ids = list(Change.objects.filter(done_at__lt=before).order_by("id").values_list("id", flat=True)[:_CHANGES])
        if not ids:
            return deleted
        deleted += Change.objects.filter(id__in=ids).delete()[0]
