"""Cut MIME entities at their exact octets: a signature is over what was sent, not over what a parser would write again."""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from . import oids
from .der import OID, SEQUENCE
from .errors import MalformedCms, TooLarge
from .foreign import AUTHENTICATED_ENVELOPED_DATA, COMPRESSED_DATA
from .head import Head, split
from .reader import MAX_CMS, Reader

_MAX_BOUNDARY = 70  # RFC 2046 section 5.1.1
_MAX_PARTS = 200
_MAX_NESTING = 8
_PKCS7_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURE_TYPES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
# Where a gateway has lost the type, the file name tells (RFC 8551 section 3.9).
_ANY_TYPE = "application/octet-stream"
_CMS_NAMES = (".p7m", ".p7z")
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_BARE_LINE_END = re.compile(rb"(?<!\r)\n")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}\Z")


class Kind(StrEnum):
    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    COMPRESSED = "compressed"
    OTHER = "other"


class Wrapped(NamedTuple):
    """A signature: the signed octets, None where they are inside the CMS; `appended` says that something stands behind the signed entity."""

    content: bytes | None
    cms: bytes
    appended: bool = False


def cms_of(entity: bytes) -> bytes | None:
    """The CMS inside an application/pkcs7-mime entity or message, or None if it is something else. Raises TooLarge, MalformedCms."""
    head, body = split(entity)
    return _decoded(head, body) if _is_cms(head) else None


def kind_of(cms: bytes) -> Kind:
    """What a CMS is by its ContentInfo. Raises TooLarge, MalformedCms."""
    name = Reader.of(cms).enter(SEQUENCE).whole(OID)
    kinds = {oids.SIGNED_DATA: Kind.SIGNED, COMPRESSED_DATA: Kind.COMPRESSED}
    kinds |= dict.fromkeys((oids.ENVELOPED_DATA, AUTHENTICATED_ENVELOPED_DATA), Kind.ENCRYPTED)
    return kinds.get(name, Kind.OTHER)


def wrapped(entity: bytes) -> Wrapped | None:
    """The signature of a multipart/signed or an opaque signed entity, or None if it is something else. Raises TooLarge, MalformedCms."""
    head, body = split(entity)
    if _is_detached(head):
        return _detached(head, body)
    if not _is_cms(head) and head.content_type not in _SIGNATURE_TYPES:
        return None
    cms = _decoded(head, body)
    return Wrapped(None, cms) if kind_of(cms) is Kind.SIGNED else None


def holds_signed(entity: bytes) -> bool:
    """Something in this multipart is signed, without the whole being so. Raises TooLarge, MalformedCms."""
    return any(_is_signed(part) for part in _leaves(entity, 0))


def canonical_forms(content: bytes) -> list[bytes]:
    """The octets as they came and, where lines end in LF alone, with CRLF: it is the latter that is signed (RFC 8551 section 3.1.1)."""
    if not _BARE_LINE_END.search(content):
        return [content]
    return [content, _BARE_LINE_END.sub(b"\r\n", content)]


def _is_detached(head: Head) -> bool:
    """A multipart/signed of S/MIME: OpenPGP has them too, and some leave the protocol out."""
    return head.content_type == "multipart/signed" and head.parameter("protocol").lower() in _SIGNATURE_TYPES | {""}


def _is_cms(head: Head) -> bool:
    return head.content_type in _PKCS7_TYPES or (head.content_type == _ANY_TYPE and head.file_name.endswith(_CMS_NAMES))


def _detached(head: Head, body: bytes) -> Wrapped:
    """The two parts of a multipart/signed (RFC 1847 section 2.1)."""
    if head.transfer_encoding not in _IDENTITY:
        raise MalformedCms("an encoded multipart")  # RFC 2045 section 6.4: some decode it nevertheless, and see other parts
    parts, epilogue = _cut(head, body, strictly=True)
    if len(parts) != 2:  # noqa: PLR2004 - the content and its signature
        raise MalformedCms("multipart/signed has two parts")
    signature_head, signature_body = split(parts[1])
    if signature_head.content_type not in _SIGNATURE_TYPES | {_ANY_TYPE}:
        raise MalformedCms("the second part is not a signature")
    return Wrapped(parts[0], _decoded(signature_head, signature_body), appended=bool(epilogue.strip()))


def _cut(head: Head, body: bytes, *, strictly: bool = False) -> tuple[list[bytes], bytes]:
    """The parts of a multipart, and what follows its closing delimiter (RFC 2046 section 5.1.1).

    What comes before the first delimiter is passed over, by every program that shows parts: many write there that this is a signed message.
    `strictly` no line may be one that some take for a delimiter, since it begins with it, or comes after a carriage return alone.
    """
    boundary = head.parameter("boundary")
    if not boundary or len(boundary) > _MAX_BOUNDARY or not boundary.isascii():
        raise MalformedCms("a multipart without a boundary")
    parts: list[bytes] = []
    start: int | None = None
    for delimiter in _delimiters(body, boundary.encode(), strictly=strictly):
        if start is not None:
            parts.append(body[start : max(start, delimiter.start)])
        if delimiter.closes:
            if start is None:
                break
            return parts, body[delimiter.end :]
        start = delimiter.end + 1
    raise MalformedCms("a multipart that does not end")


class _Delimiter(NamedTuple):
    """From the line end before it, which belongs to it, to its own."""

    start: int
    end: int
    closes: bool


def _delimiters(body: bytes, boundary: bytes, *, strictly: bool) -> list[_Delimiter]:
    # The pattern begins with the boundary, which is looked for many times faster than a line end.
    found = []
    for line in re.finditer(rb"--" + re.escape(boundary) + rb"(?:(--)?[ \t]*(\r?(?=\n)|\Z))?", body):
        before = body[max(0, line.start() - 2) : line.start()]
        if before and not before.endswith((b"\r", b"\n")):
            continue
        if line[2] is not None and not before.endswith(b"\r"):
            found.append(_Delimiter(line.start() - (len(before) if before == b"\r\n" else len(before[-1:])), line.end(), bool(line[1])))
            if len(found) > _MAX_PARTS + 1:
                raise TooLarge(f"more than {_MAX_PARTS} parts")
        elif strictly:
            raise MalformedCms("a line that some take for a delimiter")
    return found


def _leaves(entity: bytes, depth: int) -> Iterator[bytes]:
    """The parts of a multipart that are not multiparts but for signed ones."""
    if depth > _MAX_NESTING:
        raise TooLarge(f"nested more than {_MAX_NESTING} deep")
    head, body = split(entity)
    if not head.content_type.startswith("multipart/") or _is_detached(head):
        yield entity
        return
    for part in _cut(head, body)[0]:
        yield from _leaves(part, depth + 1)


def _is_signed(entity: bytes) -> bool:
    head, body = split(entity)
    if _is_detached(head):
        return True
    return _is_cms(head) and kind_of(_decoded(head, body)) is Kind.SIGNED


def _decoded(head: Head, body: bytes) -> bytes:
    if len(body) > 2 * MAX_CMS:
        raise TooLarge(f"more than {2 * MAX_CMS} bytes")
    encoding = head.transfer_encoding
    if encoding == "quoted-printable":
        body = quopri.decodestring(body)
    elif encoding not in _IDENTITY | {"base64"}:
        raise MalformedCms("a transfer encoding that CMS is not sent in")
    # Not only what says binary is: AS2 sends octets without saying so, and some send base64 as 7bit.
    if encoding != "base64" and body[:1] == bytes((SEQUENCE,)):
        return body
    return _base64(body)


def _base64(body: bytes) -> bytes:
    text = b"".join(body.split())
    if not _BASE64.match(text):
        raise MalformedCms("the base64 is damaged")
    try:
        return base64.b64decode(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4), validate=True)
    except binascii.Error as error:
        raise MalformedCms("the base64 is damaged") from error
