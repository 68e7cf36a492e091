"""Messages as acceptance writes them: rows with their content encrypted, and the first line of each in the send log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from directory.copying import copy_rows
from directory.x509.names import EmailAddress
from mailer.custody import OwnerCipher
from mailer.ids import fresh_ids
from mailer.letters import context, pack
from mailer.models import Batch, MessageStatus
from mailer.smime.entity import Content


@dataclass(frozen=True)
class OutgoingMessage:
    """One message to one recipient; `content` has passed `mailer.smime.entity.check`."""

    to: EmailAddress
    content: Content
    reference: str = ""

    @property
    def size(self) -> int:
        """Octets of text and attachments."""
        said = self.content
        return len(said.text.encode()) + len((said.html or "").encode()) + sum(len(part.content) for part in said.attachments)


class MessageRow(NamedTuple):
    """The columns that acceptance writes; the others are NULL."""

    id: UUID
    batch_id: UUID
    position: int
    organization_id: UUID
    recipient: str
    match: str
    domain: str
    message_id: str
    reference: str
    subject_digest: str
    size: int
    content: bytes
    not_before: datetime
    expires_at: datetime
    accepted_at: datetime
    updated_at: datetime
    status: str = MessageStatus.QUEUED.value
    certificate: str = ""
    relay_reply: str = ""
    attempt: int = 0
    lease_token: int = 0


class EventRow(NamedTuple):
    """A line of the send log; its number and its moment are the database's."""

    message_id: UUID
    organization_id: UUID
    actor: str
    attempt: int = 0
    event: str = "accepted"
    detail: str = ""


_TYPES = {UUID: "uuid", str: "text", bytes: "bytea", datetime: "timestamptz", int: "int4"}
MESSAGE_COLUMNS = {name: _TYPES[kind] for name, kind in MessageRow.__annotations__.items()} | {"lease_token": "int8"}
EVENT_COLUMNS = {name: _TYPES[kind] for name, kind in EventRow.__annotations__.items()}


def rows_of(
    batch: Batch, items: Sequence[OutgoingMessage], *, cipher: OwnerCipher, sender: EmailAddress, at: datetime, hold_days: int
) -> list[MessageRow]:
    """A row for each item, in their order."""
    expires_at = at + timedelta(days=hold_days)
    # Bills of one run have one subject.
    digests = {subject: cipher.digest(subject, context="subject") for subject in {item.content.subject for item in items}}
    # Message-IDs are ids of their own: whoever reads the mail learns nothing that opens the API.
    ids = zip(fresh_ids(len(items), at=at), fresh_ids(len(items), at=at), strict=True)
    return [
        MessageRow(
            id=message,
            batch_id=batch.id,
            position=position,
            organization_id=batch.organization_id,
            recipient=item.to.address,
            match=item.to.match,
            domain=item.to.domain,
            message_id=f"<{public.hex}@{sender.domain}>",
            reference=item.reference,
            subject_digest=digests[item.content.subject],
            size=item.size,
            content=cipher.encrypt(pack(item.content), context=context(message)),
            not_before=at,
            expires_at=expires_at,
            accepted_at=at,
            updated_at=at,
        )
        for position, (item, (message, public)) in enumerate(zip(items, ids, strict=True))
    ]


def store(batch: Batch, rows: Sequence[MessageRow]) -> None:
    """Write the messages and their first log lines; call inside the transaction that wrote the batch."""
    copy_rows("mailer_message", MESSAGE_COLUMNS, rows)
    copy_rows("mailer_sendevent", EVENT_COLUMNS, [EventRow(row.id, batch.organization_id, batch.actor) for row in rows])
