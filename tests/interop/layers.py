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


def wrapped(layer: Enveloped | Signed) -> bytes:
    """A MIME entity around CMS, as programs write that have nothing to do with mail themselves."""
    cms = base64.encodebytes(layer.cms).replace(b"\n", b"\r\n")
    if isinstance(layer, Enveloped) or layer.content is None:
        kind = b"enveloped-data" if isinstance(layer, Enveloped) else b"signed-data"
        return b"Content-Type: application/pkcs7-mime; smime-type=%s; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n%s" % (kind, cms)
    boundary = b"----of-the-two-parts"
    return b"".join((
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary="', boundary, b'"\r\n\r\n--', boundary, b"\r\n",
        layer.content, b"\r\n--", boundary,
        b"\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        cms, b"\r\n--", boundary, b"--\r\n",
    ))  # fmt: skip
