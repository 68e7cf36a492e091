"""Take a mail apart at its exact octets, independently of the product's reader."""

import base64
import re
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from typing import NamedTuple


class Enveloped(NamedTuple):
    cms: bytes


class Signed(NamedTuple):
    """`content` is None where the CMS holds it itself."""

    cms: bytes
    content: bytes | None


def cut(entity: bytes) -> Enveloped | Signed | None:
    """The outermost layer of a mail or MIME entity; None if it is neither encrypted nor signed."""
    separator = b"\r\n\r\n" if b"\r\n\r\n" in entity else b"\n\n"
    head_octets, _, body = entity.partition(separator)
    head = BytesHeaderParser(policy=default).parsebytes(head_octets + separator)
    if head.get_content_type() == "multipart/signed":
        return _detached(head, body, separator[: len(separator) // 2])
    if head.get_content_type() not in {"application/pkcs7-mime", "application/x-pkcs7-mime"}:
        return None
    cms = base64.b64decode(body)
    return Signed(cms, None) if head.get_param("smime-type") == "signed-data" else Enveloped(cms)


def _detached(head: EmailMessage, body: bytes, line_end: bytes) -> Signed:
    delimiter = line_end + b"--" + re.escape(str(head.get_boundary()).encode())
    _, content, signature, _ = re.split(delimiter, line_end + body)
    return Signed(base64.b64decode(signature.partition(line_end * 2)[2]), content.removeprefix(line_end))
