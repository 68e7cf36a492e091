"""Accepting messages: batch, messages and send log in one transaction. Accepted means stored; the workers are only woken."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from directory.models import Organization, OrganizationStatus
from directory.x509.names import EmailAddress
from mailer.custody import cipher_of
from mailer.identities import find_identity
from mailer.ids import fresh_ids
from mailer.message_rows import OutgoingMessage, rows_of, store
from mailer.models import Batch, OnMissing
from mailer.waking import wake_outbox

MOST_MESSAGES = 1000
KEY_LIFETIME = timedelta(days=30)
HOLD_DAYS, MOST_HOLD_DAYS = 14, 30
RETRY_AFTER_SECONDS = 20
_DEPTH_SECONDS = 1.0
# What its own organisation has paused, or was suspended with, cannot fill the outbox for the others; a pause of the operator's takes nothing out,
# since what comes meanwhile has to be stored too.
_KEPT_BACK = """EXISTS (
    SELECT FROM mailer_pause p WHERE p.resumed_at IS NULL AND p.organization_id = m.organization_id AND (p.domain = '' OR p.domain = m.domain)
)"""
_OF_ACTIVE = "EXISTS (SELECT FROM directory_organization o WHERE o.id = m.organization_id AND o.status = %(active)s)"
_LEFT = f"""
SELECT %(depth)s - (
    SELECT count(*) FROM (
        SELECT FROM mailer_message m WHERE m.status = 'queued' AND {_OF_ACTIVE} AND NOT {_KEPT_BACK} LIMIT %(depth)s
    ) waiting
), EXISTS (
    SELECT FROM mailer_message m
    WHERE m.status = 'queued' AND m.not_before < statement_timestamp() - make_interval(secs => %(seconds)s) AND {_OF_ACTIVE} AND NOT {_KEPT_BACK}
      AND NOT EXISTS (SELECT FROM mailer_pause p WHERE p.resumed_at IS NULL AND p.organization_id IS NULL AND (p.domain = '' OR p.domain = m.domain))
)
"""  # noqa: S608 - put together from the constants above
_LEFT_OF_PAUSED = f"""
SELECT paused.organization_id, %(depth)s - count(m.id)
FROM (SELECT DISTINCT organization_id FROM mailer_pause WHERE resumed_at IS NULL AND organization_id IS NOT NULL) paused
    LEFT JOIN mailer_message m ON m.organization_id = paused.organization_id AND m.status = 'queued' AND {_KEPT_BACK}
GROUP BY paused.organization_id
"""  # noqa: S608 - as above


class OutboxError(Exception):
    """The root of why a request is not accepted."""


class KeyReusedError(OutboxError):
    """The idempotency key was used for another request within 30 days."""


class OutboxFullError(OutboxError):
    """More waits than the operator allows; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the outbox is full")
        self.retry_after = retry_after


@dataclass(frozen=True)
class AcceptedMessage:
    id: UUID
    to: str
    message_id: str


@dataclass(frozen=True)
class Accepted:
    """The answer to a request, the same however often it is repeated."""

    batch: UUID
    messages: list[AcceptedMessage]


def accept(
    *,
    organization: Organization,
    sender: EmailAddress,
    items: Sequence[OutgoingMessage],
    on_missing: OnMissing,
    idempotency_key: str,
    body_digest: str,
    actor: str,
    at: datetime,
    hold_days: int = HOLD_DAYS,
) -> Accepted:
    """Store a request once. The same key and body give the same answer again, whatever became of the messages.

    `body_digest` is a plain hash of the request, `items` included; what is stored is a keyed one, which nobody can compare with a guessed body.
    Raises KeyReusedError, OutboxFullError, NoIdentityError (the organisation cannot send from `sender` now), MissingKeyError.
    """
    cipher = cipher_of(organization.id)
    body_digest = cipher.digest(body_digest, context="request")
    known = _known(organization, idempotency_key, body_digest, items, at=at)
    if known is not None:
        return known
    identity = find_identity(organization=organization, address=sender, at=at)
    _refuse_when_deep(organization)
    batch = Batch(
        id=fresh_ids(1, at=at)[0],
        organization=organization,
        identity=identity,
        idempotency_key=idempotency_key,
        body_digest=body_digest,
        on_missing=on_missing,
        actor=actor,
        accepted_at=at,
    )
    # Outside the transaction, which is the shorter for it: others may wait for this key.
    rows = rows_of(batch, items, cipher=cipher, sender=sender, at=at, hold_days=hold_days)
    with transaction.atomic():
        if _insert(batch):
            store(batch, rows)
            depth.took(organization.id, len(rows))
            wake_outbox()
            return Accepted(batch.id, [AcceptedMessage(row.id, row.recipient, row.message_id) for row in rows])
    # Somebody stored this key between the first look and the insert, which waited for their commit.
    known = _known(organization, idempotency_key, body_digest, items, at=at)
    if known is None:
        raise KeyReusedError
    return known


def forget_keys(*, at: datetime) -> int:
    """Forget idempotency keys that are over, and the digests that served them; returns how many."""
    return _forget(Batch.objects.filter(accepted_at__lt=at - KEY_LIFETIME, idempotency_key__isnull=False))


def _forget(batches: QuerySet[Batch]) -> int:
    return batches.update(idempotency_key=None, body_digest="")


def _known(organization: Organization, key: str, body_digest: str, items: Sequence[OutgoingMessage], *, at: datetime) -> Accepted | None:
    batch = Batch.objects.filter(organization=organization, idempotency_key=key).first()
    if batch is None:
        return None
    if batch.accepted_at < at - KEY_LIFETIME:
        _forget(Batch.objects.filter(pk=batch.pk))
        return None
    if batch.body_digest != body_digest:
        raise KeyReusedError
    messages = batch.messages.order_by("position").values_list("position", "id", "message_id")
    # The addresses are those of the request, which is the same: what is stored may have been erased since.
    return Accepted(batch.id, [AcceptedMessage(message, items[place].to.address, message_id) for place, message, message_id in messages])


def _insert(batch: Batch) -> bool:
    """False where the key is taken; waits for a transaction that is about to take it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailer_batch (id, organization_id, identity_id, idempotency_key, body_digest, on_missing, actor, accepted_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (organization_id, idempotency_key) DO NOTHING",
            [
                batch.id, batch.organization_id, batch.identity_id, batch.idempotency_key, batch.body_digest, str(batch.on_missing), batch.actor,
                batch.accepted_at,
            ],
        )  # fmt: skip
        inserted: int = cursor.rowcount
    return inserted == 1


class _Depth:
    """How much more the operator's limits allow: counted at most once a second in a process, less what this process has accepted since.

    What is held waits for its recipient and is not counted. What an organisation has paused is counted against that organisation alone, up to
    the same limit. A pause, or a suspended organisation, makes nobody's messages too old.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._left = 0
        self._left_of_paused: dict[UUID, int] = {}

    def is_full(self, organization: UUID | None = None) -> bool:
        """For everybody, or for this organisation."""
        started = time.monotonic()
        if started >= self._until:
            self._count()
            # Counting a deep outbox takes its time; at most a twentieth of this process's.
            counted = time.monotonic()
            self._until = counted + max(_DEPTH_SECONDS, 20 * (counted - started))
        return self._left <= 0 or (organization is not None and self._left_of_paused.get(organization, 1) <= 0)

    def took(self, organization: UUID, messages: int) -> None:
        # Which of them its pause keeps back is seen at the next count.
        self._left -= messages
        if organization in self._left_of_paused:
            self._left_of_paused[organization] -= messages

    def forget(self) -> None:
        self._until = 0.0

    def _count(self) -> None:
        most, seconds = settings.LETTERLOCK_OUTBOX_DEPTH, settings.LETTERLOCK_OUTBOX_SECONDS
        with connection.cursor() as cursor:
            cursor.execute(_LEFT, {"depth": most, "seconds": seconds, "active": OrganizationStatus.ACTIVE.value})
            [(left, is_too_old)] = cursor.fetchall()
            cursor.execute(_LEFT_OF_PAUSED, {"depth": most})
            self._left_of_paused = dict(cursor.fetchall())
        self._left = 0 if is_too_old else int(left)


depth = _Depth()


def _refuse_when_deep(organization: Organization) -> None:
    if depth.is_full(organization.id):
        # Spread, so that those who were refused together do not come back together.
        raise OutboxFullError(RETRY_AFTER_SECONDS + secrets.randbelow(RETRY_AFTER_SECONDS))
