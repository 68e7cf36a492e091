"""Post mail to the portal, which signs and encrypts it with the organisation's managed key."""

import base64
import uuid
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from letterlock.errors import LetterlockError

from .configuration import Configuration
from .mails import Mail, read


class ApiEmailBackend(BaseEmailBackend):
    """One request a message, with an Idempotency-Key: a failure on the way is tried again with the same key and is not sent twice.

    Give `headers={"Idempotency-Key": ...}` to a message for a key of your own, such as an invoice's number, and a later attempt is taken once too.
    Each recipient, whether To, Cc or Bcc, is a message of their own that shows nobody else.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._configuration = Configuration.read()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """The number of messages that the portal took. Raises LetterlockError."""
        return sum(self._send(message) for message in email_messages)

    def _send(self, message: EmailMessage) -> bool:
        try:
            mail = read(message)
            if not mail.recipients:
                return False
            key = mail.idempotency_key or f"letterlock-{uuid.uuid4()}"
            self._configuration.client().send(_request(mail, self._configuration.on_missing), idempotency_key=key)
        except LetterlockError:
            if not self.fail_silently:
                raise
            return False
        return True


def _request(mail: Mail, on_missing: str) -> dict[str, object]:
    item: dict[str, object] = {"subject": mail.content.subject, "text": mail.content.text}
    if mail.content.html is not None:
        item["html"] = mail.content.html
    if mail.content.attachments:
        item["attachments"] = [_attachment(part) for part in mail.content.attachments]
    return {"from": mail.sender.address, "on_missing": on_missing, "messages": [{**item, "to": address.address} for address in mail.recipients]}


def _attachment(part: Any) -> dict[str, str]:
    told = {"filename": part.filename, "content_type": part.content_type, "content": base64.b64encode(part.content).decode("ascii")}
    return {**told, "content_id": part.content_id} if part.content_id else told
