"""From a notification's content to the MIME entity that is signed (RFC 2045-2049), by byte templates."""

import binascii
import html
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from .encoding import base64_lines, canonical, encode_text
from .errors import TooLarge, UnsafeCharacter
from .headers import filename, media_type, unstructured

MAX_CONTENT = 10 * 1024 * 1024
MAX_ATTACHMENTS = 50
_BODY_TAG = re.compile(r"<body\b[^<>]{0,1000}>", re.IGNORECASE)


class Attachment(NamedTuple):
    """`content_type` is `type/subtype`; `content` the file's bytes."""

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

    Raises TooLarge, UnsafeCharacter, MediaTypeRefused.
    """
    unstructured(content.subject)
    for field, text in (("text", content.text), ("html", content.html or "")):
        _octets(text, field=field)
    _check_size(content)
    for number, attachment in enumerate(content.attachments):
        filename(attachment.filename, field=f"attachments/{number}/filename")
        media_type(attachment.content_type, field=f"attachments/{number}/content_type")


def _check_size(content: Content) -> None:
    size = len(content.text) + len(content.html or "") + sum(len(attachment.content) for attachment in content.attachments)
    if size > MAX_CONTENT:
        raise TooLarge(f"the content is over {MAX_CONTENT} bytes", field="attachments" if content.attachments else "text")
    if len(content.attachments) > MAX_ATTACHMENTS:
        raise TooLarge(f"more than {MAX_ATTACHMENTS} attachments", field="attachments")


def build_entity(content: Content, protection: Protection | None = None) -> bytes:
    """The entity in canonical form: CRLF, lines of at most 998, 8bit where the text is not ASCII. Raises as `check` does."""
    _check_size(content)
    shown = content.subject if protection and protection.legacy_display else None
    body = _text_part(content.text, shown)
    if content.html is not None:
        body = _multipart("alternative", [body, _html_part(content.html, shown)])
    if content.attachments:
        body = _multipart("mixed", [body, *(_file_part(attachment) for attachment in content.attachments)])
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
    disposition = b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n %s\r\n\r\n" % filename(attachment.filename)
    return _Part(media_type(attachment.content_type), disposition + base64_lines(attachment.content))


def _multipart(subtype: str, parts: Sequence[_Part]) -> _Part:
    # 128 random bits: no content can have been written to hold the boundary.
    boundary = b"=_" + binascii.hexlify(os.urandom(16))
    pieces = [b"\r\n"]
    for part in parts:
        pieces += (b"--", boundary, b"\r\nContent-Type: ", part.content_type, b"\r\n", part.rest, b"\r\n")
    pieces += (b"--", boundary, b"--\r\n")
    return _Part(b'multipart/%s;\r\n boundary="%s"' % (subtype.encode(), boundary), b"".join(pieces))
