"""From a notification's content to the MIME entity that is signed (RFC 2045-2049), by byte templates.

The shape: mixed(alternative(text, related(html, images)), files), each level only where it is needed.
"""

import binascii
import html
import os
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from .encoding import base64_lines, canonical, encode_text
from .errors import ContentIdRefused, TooLarge, UnsafeCharacter
from .headers import content_id, filename, media_type, unstructured

MAX_CONTENT = 10 * 1024 * 1024
MAX_ATTACHMENTS = 50
_CID_URL = re.compile(r"\bcid:([A-Za-z0-9._+@%-]{1,400})", re.IGNORECASE)
_BODY_TAG = re.compile(r"<body\b[^<>]{0,1000}>", re.IGNORECASE)


class Attachment(NamedTuple):
    """`content_type` is `type/subtype`; `content` the file's bytes.

    With a `content_id` it is an image that the HTML shows where it says `cid:<content_id>`, and no attachment.
    """

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


class Content(NamedTuple):
    """What a business system says: text always, HTML as its twin if there is one. `subject` becomes a header field of the message."""

    subject: str
    text: str
    html: str | None = None
    attachments: Sequence[Attachment] = ()


class Protection(NamedTuple):
    """RFC 9788 header protection: the fields (each with its CRLF) that stand inside, and whether readers that do not know of it see the subject."""

    fields: bytes
    legacy_display: bool


def check(content: Content) -> None:
    """Refuse at the door what `build_entity` and `message.seal` would refuse later; `field` points at the place.

    Raises TooLarge, UnsafeCharacter, MediaTypeRefused, ContentIdRefused.
    """
    unstructured(content.subject)
    for field, text in (("text", content.text), ("html", content.html or "")):
        _octets(text, field=field)
    _check_size(content)
    for number, attachment in enumerate(content.attachments):
        filename(attachment.filename, field=f"attachments/{number}/filename")
        media_type(attachment.content_type, field=f"attachments/{number}/content_type")
    _check_images(content)


def _check_size(content: Content) -> None:
    size = _size(content.text) + _size(content.html or "") + sum(len(attachment.content) for attachment in content.attachments)
    if size > MAX_CONTENT:
        raise TooLarge(f"the content is over {MAX_CONTENT} bytes", field="attachments" if content.attachments else "text")
    if len(content.attachments) > MAX_ATTACHMENTS:
        raise TooLarge(f"more than {MAX_ATTACHMENTS} attachments", field="attachments")


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _check_images(content: Content) -> None:
    """Each image has an id of its own that the HTML names: else it would be shown nowhere, or another in its place."""
    if not any(attachment.content_id for attachment in content.attachments):
        return
    named = {unquote(match[1]) for match in _CID_URL.finditer(content.html or "")}
    for number, attachment in enumerate(content.attachments):
        if not attachment.content_id:
            continue
        field = f"attachments/{number}/content_id"
        content_id(attachment.content_id, field=field)
        if not attachment.content_type.lower().startswith("image/"):
            raise ContentIdRefused("only an image stands within the HTML", field=field)
        if attachment.content_id not in named:
            raise ContentIdRefused("the HTML does not name this image, or another has the same content id", field=field)
        named.remove(attachment.content_id)


def build_entity(content: Content, protection: Protection | None = None) -> bytes:
    """The entity in canonical form: CRLF, lines of at most 998, 8bit where the text is not ASCII. Raises as `check` does."""
    _check_size(content)
    _check_images(content)
    shown = content.subject if protection and protection.legacy_display else None
    body = _text_part(content.text, shown)
    if content.html is not None:
        page = _html_part(content.html, shown)
        images = [_file_part(attachment) for attachment in content.attachments if attachment.content_id]
        if images:
            page = _multipart(b'related; type="text/html"', [page, *images])
        body = _multipart(b"alternative", [body, page])
    files = [_file_part(attachment) for attachment in content.attachments if not attachment.content_id]
    if files:
        body = _multipart(b"mixed", [body, *files])
    fields, mark = (protection.fields, b';\r\n hp="cipher"') if protection else (b"", b"")
    return b"".join((b"MIME-Version: 1.0\r\n", fields, b"Content-Type: ", body.content_type, mark, b"\r\n", body.rest))


class _Part(NamedTuple):
    """A body part: its Content-Type's value, and everything after that line."""

    content_type: bytes
    rest: bytes


_LEGACY = b'; hp-legacy-display="1"'


def _text_part(text: str, shown: str | None) -> _Part:
    if shown is None:
        return _encoded_part(b"text/plain; charset=utf-8", _octets(text, field="text"))
    return _encoded_part(b"text/plain; charset=utf-8" + _LEGACY, _octets(f"Subject: {shown}\r\n\r\n{text}", field="text"))


def _html_part(text: str, shown: str | None) -> _Part:
    if shown is None:
        return _encoded_part(b"text/html; charset=utf-8", _octets(text, field="html"))
    display = f'<div class="header-protection-legacy-display"><pre>Subject: {html.escape(shown)}</pre></div>'
    tag = _BODY_TAG.search(text)
    start = tag.end() if tag else 0
    return _encoded_part(b"text/html; charset=utf-8" + _LEGACY, _octets(text[:start] + display + text[start:], field="html"))


def _octets(text: str, *, field: str) -> bytes:
    try:
        octets = text.encode()
    except UnicodeEncodeError as error:
        raise UnsafeCharacter(f"{field} holds half of a surrogate pair", field=field) from error
    if b"\x00" in octets:
        raise UnsafeCharacter(f"{field} holds a NUL", field=field)
    return octets


def _encoded_part(content_type: bytes, octets: bytes) -> _Part:
    encoding, body = encode_text(canonical(octets))
    return _Part(content_type, b"Content-Transfer-Encoding: %s\r\n\r\n%s" % (encoding, body))


def _file_part(attachment: Attachment) -> _Part:
    if attachment.content_id:
        place = b"Content-ID: %s\r\nContent-Disposition: inline;\r\n %s" % (content_id(attachment.content_id), filename(attachment.filename))
    else:
        place = b"Content-Disposition: attachment;\r\n %s" % filename(attachment.filename)
    rest = b"".join((b"Content-Transfer-Encoding: base64\r\n", place, b"\r\n\r\n", base64_lines(attachment.content)))
    return _Part(media_type(attachment.content_type), rest)


def _multipart(subtype: bytes, parts: Sequence[_Part]) -> _Part:
    """`subtype` may bring parameters of its own, as multipart/related does (RFC 2387 section 3.1)."""
    # 128 random bits: no content can have been written to hold the boundary.
    boundary = b"=_" + binascii.hexlify(os.urandom(16))
    pieces = [b"\r\n"]
    for part in parts:
        pieces += (b"--", boundary, b"\r\nContent-Type: ", part.content_type, b"\r\n", part.rest, b"\r\n")
    pieces += (b"--", boundary, b"--\r\n")
    return _Part(b'multipart/%s;\r\n boundary="%s"' % (subtype, boundary), b"".join(pieces))
