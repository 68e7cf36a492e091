"""Cut MIME entities at their exact octets: a signature is over what was sent, not over what a parser would write again."""

import base64
import binascii
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

from .errors import MalformedCms, TooLarge
from .reader import MAX_CMS

_MAX_HEAD = 64 * 1024
_MAX_BOUNDARY = 70  # RFC 2046 section 5.1.1
_PKCS7_TYPES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_SIGNATURE_TYPES = {"application/pkcs7-signature", "application/x-pkcs7-signature"}


def head_of(entity: bytes) -> tuple[Message, bytes]:
    """The header fields and the octets of the body. Raises TooLarge, MalformedCms."""
    if entity.startswith(b"\r\n"):
        return message_from_bytes(b"", policy=compat32), entity[2:]
    end = entity.find(b"\r\n\r\n", 0, _MAX_HEAD)
    if end < 0:
        raise (TooLarge if len(entity) > _MAX_HEAD else MalformedCms)("the header does not end")
    return message_from_bytes(entity[: end + 4], policy=compat32), entity[end + 4 :]


def enveloped(message: bytes) -> bytes | None:
    """The CMS inside an application/pkcs7-mime entity or message, or None if it is something else. Raises TooLarge, MalformedCms."""
    head, body = head_of(message)
    if head.get_content_type() not in _PKCS7_TYPES:
        return None
    return _decoded(head, body)


def signed(entity: bytes) -> tuple[bytes, bytes] | None:
    """The signed octets and the CMS signature of a multipart/signed entity, or None if it is something else. Raises TooLarge, MalformedCms."""
    head, body = head_of(entity)
    if head.get_content_type() != "multipart/signed":
        return None
    boundary = head.get_boundary()
    if not boundary or len(boundary) > _MAX_BOUNDARY or not boundary.isascii():
        raise MalformedCms("multipart/signed without a boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    # Preamble, two parts, and the closing delimiter with whatever follows it (RFC 1847 section 2.1).
    if len(parts) != 4 or not parts[3].startswith(b"--"):  # noqa: PLR2004
        raise MalformedCms("multipart/signed has two parts")
    content, signature = (_after_delimiter(part) for part in parts[1:3])
    signature_head, signature_body = head_of(signature)
    if signature_head.get_content_type() not in _SIGNATURE_TYPES:
        raise MalformedCms("the second part is not a signature")
    return content, _decoded(signature_head, signature_body)


def _after_delimiter(part: bytes) -> bytes:
    rest = part.lstrip(b" \t")
    if not rest.startswith(b"\r\n"):
        raise MalformedCms("a delimiter with text behind it")
    return rest[2:]


def _decoded(head: Message, body: bytes) -> bytes:
    if len(body) > 2 * MAX_CMS:
        raise TooLarge(f"more than {2 * MAX_CMS} bytes")
    encoding = str(head.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    if encoding == "binary":
        return body
    if encoding != "base64":
        raise MalformedCms("a transfer encoding that CMS is not sent in")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise MalformedCms("the base64 is damaged") from error
