"""What a business system asked to be said, between acceptance and sealing: packed to bytes, encrypted for its organisation.

We could read it until it is sealed, and only workers do.
"""

import base64
from uuid import UUID

import orjson

from mailer.smime.entity import Attachment, Content


def pack(content: Content) -> bytes:
    return orjson.dumps(
        {
            "subject": content.subject,
            "text": content.text,
            "html": content.html,
            "attachments": [
                {
                    "filename": part.filename,
                    "content_type": part.content_type,
                    "content": base64.b64encode(part.content).decode(),
                    "content_id": part.content_id,
                }
                for part in content.attachments
            ],
        }
    )


def unpack(packed: bytes) -> Content:
    letter = orjson.loads(packed)
    attachments = [
        Attachment(part["filename"], part["content_type"], base64.b64decode(part["content"]), part["content_id"]) for part in letter["attachments"]
    ]
    return Content(letter["subject"], letter["text"], letter["html"], attachments)


def context(message: UUID) -> str:
    """The place of one message's content, bound into its encryption so that it cannot be moved to another message."""
    return f"message:{message}"
