"""How many look-ups each organisation makes in an hour. Counted in memory and added to the table every few seconds, beside the requests."""

import atexit
import logging
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction

from directory.models import ApiToken

FLUSH_SECONDS = 5
_HOUR = 3600
_log = logging.getLogger(__name__)

Key = tuple[str, int]

_lock = threading.Lock()
_pending: dict[Key, list[int]] = {}
# Whom the texts stand for, which are what a dictionary is fast at.
_organizations: dict[str, UUID | None] = {}
_keeping = False
_keeper: threading.Thread | None = None

# One row an organisation and hour, which several processes add to. An organisation that was deleted meanwhile has no counts.
_ADD = """
INSERT INTO directory_lookupcount (organization_id, hour, lookups, found)
SELECT %s, %s, %s, %s WHERE %s::uuid IS NULL OR EXISTS (SELECT FROM directory_organization WHERE id = %s)
ON CONFLICT (organization_id, hour)
DO UPDATE SET lookups = directory_lookupcount.lookups + excluded.lookups, found = directory_lookupcount.found + excluded.found
"""


def note(token: ApiToken | None, *, lookups: int, found: int, at: datetime) -> None:
    """Count `lookups` addresses that the token's organisation, or somebody without one, asked for; `found` of them have a certificate."""
    key = ("" if token is None else token.caller, int(at.timestamp()) // _HOUR)
    with _lock:
        counted = _pending.get(key)
        if counted is None:
            _pending[key] = [lookups, found]
            _organizations[key[0]] = None if token is None else token.organization_id
        else:
            counted[0] += lookups
            counted[1] += found
    if _keeping and _keeper is None:
        _start()


def flush() -> None:
    """Add to the table what was counted since the last time. What cannot be written is kept for the next time."""
    with _lock:
        taken = dict(_pending)
        _pending.clear()
    if not taken:
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # In one order in all processes, so that none waits for a row that another holds.
            for (caller, hour), (lookups, found) in sorted(taken.items()):
                organization = _organizations[caller]
                cursor.execute(_ADD, [organization, _begins(hour), lookups, found, organization, organization])
    except (DatabaseError, InterfaceError) as error:
        _log.warning("Counts of look-ups wait: the database does not take them (%s).", type(error).__name__)
        with _lock:
            for key, (lookups, found) in taken.items():
                counted = _pending.setdefault(key, [0, 0])
                counted[0] += lookups
                counted[1] += found


def begin() -> None:
    """Have this process, and those that it forks, write down its counts every few seconds and when it ends."""
    global _keeping  # noqa: PLW0603 - of the process
    _keeping = True
    atexit.register(flush)
    os.register_at_fork(after_in_child=_begin_anew)


def forget() -> None:
    """Count from nothing again."""
    with _lock:
        _pending.clear()


def _begins(hour: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(hours=hour)


def _begin_anew() -> None:
    """A forked process has no threads, and its parent writes down what its parent counted."""
    global _keeper, _lock
    _keeper, _lock = None, threading.Lock()
    _pending.clear()


def _start() -> None:
    global _keeper  # noqa: PLW0603 - of the process
    with _lock:
        if _keeper is not None:
            return
        _keeper = threading.Thread(target=_write_every_few_seconds, name="counts", daemon=True)
    _keeper.start()


def _write_every_few_seconds() -> None:
    while True:
        time.sleep(FLUSH_SECONDS)
        try:
            flush()
        finally:
            connection.close()
