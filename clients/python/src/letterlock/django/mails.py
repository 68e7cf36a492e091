"""What Django's EmailMessage says, as a content that can be sealed; what would be lost on the way is refused."""

import email.message
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Any

from django.core.mail import EmailMessage
from django.utils.html import strip_tags

from letterlock._core.directory.x509.names import EmailAddress
from letterlock._core.mailer.smime.entity import Attachment, Content
from letterlock.errors import BadAddressError, ContentRefusedError
from letterlock.protocol import distinct, parse_address

KEY_HEADER = "Idempotency-Key"
# The message says these in another way, or they hold for every mail that is sealed.
_KNOWN_HEADERS = frozenset({"message-id", "from", "to", "date", "auto-submitted", KEY_HEADER.lower()})


class UnsupportedMailError(ContentRefusedError):
    """The mail has something that cannot be sealed yet; sent without it, it would be another mail."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The parts of one EmailMessage; `recipients` are To, Cc and Bcc alike, each of whom gets a mail that names nobody else."""

    sender: EmailAddress
    sender_name: str
    recipients: tuple[EmailAddress, ...]
    content: Content
    message_id: str
    idempotency_key: str


def read(message: EmailMessage) -> Mail:
    """Raises BadAddressError, UnsupportedMailError."""
    headers = {name.lower(): str(value) for name, value in message.extra_headers.items()}
    name, sender = _mailbox(headers.get("from") or message.from_email)
    unknown = sorted(set(headers) - _KNOWN_HEADERS)
    if unknown:
        raise UnsupportedMailError(f"header fields that cannot be sealed: {', '.join(unknown)[:200]}", field="headers")
    if any(_mailbox(reply)[1].match != sender.match for reply in message.reply_to):
        raise UnsupportedMailError("answers can go to the sender alone: Reply-To cannot be sealed", field="reply_to")
    recipients = tuple(distinct(_mailbox(recipient)[1] for recipient in message.recipients()))
    return Mail(sender, name, recipients, _content(message), headers.get("message-id", ""), headers.get(KEY_HEADER.lower(), ""))


def _mailbox(text: str) -> tuple[str, EmailAddress]:
    found = getaddresses([str(text)])
    if len(found) != 1 or any(character in str(text) for character in "\r\n\0"):
        raise BadAddressError(str(text), "it cannot be read as one")
    name, address = found[0]
    return name, parse_address(address)


def _content(message: EmailMessage) -> Content:
    body = str(message.body or "")
    attachments = tuple(_attachment(given) for given in message.attachments)
    if message.content_subtype not in {"plain", "html"}:
        raise UnsupportedMailError(f"a body of text/{message.content_subtype} cannot be sealed", field="body")
    alternatives: Iterable[Any] = getattr(message, "alternatives", None) or ()
    pages = [(str(content), str(kind)) for content, kind in alternatives]
    if message.content_subtype == "html":
        if pages:
            raise UnsupportedMailError("an HTML body has no alternatives", field="alternatives")
        return Content(str(message.subject), strip_tags(body), body, attachments)
    if len(pages) > 1 or any(kind != "text/html" for _page, kind in pages):
        raise UnsupportedMailError("the one alternative that can be sealed is text/html", field="alternatives")
    return Content(str(message.subject), body, pages[0][0] if pages else None, attachments)


def _attachment(given: Any) -> Attachment:
    if isinstance(given, email.message.Message):
        octets = given.get_payload(decode=True)
        if not isinstance(octets, bytes):
            raise UnsupportedMailError("an attachment of several parts cannot be sealed", field="attachments")
        inline = str(given.get("Content-ID", "")).strip("<> ")
        return Attachment(given.get_filename() or inline or "attachment", given.get_content_type(), octets, inline)
    name, content, kind = given
    octets = content.encode() if isinstance(content, str) else content
    if not isinstance(octets, bytes):
        raise UnsupportedMailError("a mail as an attachment cannot be sealed", field="attachments")
    return Attachment(name or "attachment", kind or "application/octet-stream", octets)
