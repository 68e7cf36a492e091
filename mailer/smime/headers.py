"""Header fields from outside values. Names come from a fixed set; values are checked here and nowhere trusted.

All functions give bytes without the final CRLF; folding is at most 76 characters a line wherever a fold is possible (RFC 5322 section 2.1.1).
"""

import base64
import re
import unicodedata
from enum import Enum

from .errors import AddressRefused, ContentIdRefused, EntityError, MediaTypeRefused, TooLarge, UnsafeCharacter

MAX_SUBJECT = 998
MAX_FILENAME = 255
MAX_CONTENT_ID = 127
_MAX_ADDRESS = 254
_MAX_LOCAL_PART = 64
_WIDTH = 76
_WORD_OCTETS = 39  # 52 in base64, so that an encoded word fits behind the field's name
_PIECE = 56  # of an extended parameter, behind its name and number

# Controls (C0, DEL, C1), the two Unicode line ends, and halves of surrogate pairs: none has a place on a line of text.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Direction overrides can make `exe.pdf` of `fdp.exe`.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})+"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@{_DOMAIN}")
_WIDE_ATOM = _ATOM.replace("[", "[\u00a1-\U0010ffff", 1)
_WIDE_ADDRESS = re.compile(rf"({_WIDE_ATOM}(?:\.{_WIDE_ATOM})*)@{_DOMAIN}")
_ENCODED_WORD = re.compile(r"=\?[^?]+\?[^?]+\?")
_TYPE_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # RFC 6838 section 4.2
_MEDIA_TYPE = re.compile(rf"({_TYPE_NAME})/{_TYPE_NAME}")
_COMPOSITE = {"multipart", "message"}
_PLAIN_NAME = re.compile(r"(?=.{1,60}\Z)[A-Za-z0-9._+-]+(?: [A-Za-z0-9._+-]+)*")
# Of a msg-id what needs no escape in a cid URL either (RFC 2392 section 2); many programs leave the domain away, and every one reads that.
_CONTENT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]*[A-Za-z0-9])?(?:@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)?")
_PHRASE_ATOM = re.compile(rf"{_ATOM}(?: {_ATOM})*")


class Header(Enum):
    """Every header field that this package writes outside the MIME structure."""

    FROM = b"From"
    TO = b"To"
    SUBJECT = b"Subject"
    DATE = b"Date"
    MESSAGE_ID = b"Message-ID"
    AUTO_SUBMITTED = b"Auto-Submitted"


def field(name: Header, value: bytes) -> bytes:
    """One header field with its CRLF, from a value that a function of this module has made."""
    return b"".join((name.value, b": ", value, b"\r\n"))


def safe(text: str, *, field: str) -> str:
    """The text as it is. Raises UnsafeCharacter."""
    if _UNSAFE.search(text):
        raise UnsafeCharacter(f"{field} holds a control character or line break", field=field)
    return text


def unstructured(text: str, *, field: str = "subject") -> bytes:
    """A Subject's value: as it stands if it is plain, else encoded words (RFC 2047). Raises UnsafeCharacter, TooLarge."""
    if len(text) > MAX_SUBJECT:
        raise TooLarge(f"{field} has more than {MAX_SUBJECT} characters", field=field)
    safe(text, field=field)
    if text.isascii() and "=?" not in text and "  " not in text and text == text.strip():
        folded = _fold(text.encode(), indent=len("Subject: "))
        if folded is not None:
            return folded
    return _encoded_words(text)


def _fold(text: bytes, *, indent: int) -> bytes | None:
    """The text folded at its blanks, or None where a single word is too long for a line."""
    if indent + len(text) <= _WIDTH:
        return text
    lines, line, room = [], b"", _WIDTH - indent
    for word in text.split(b" "):
        if len(word) > _WIDTH - 1:
            return None
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, _WIDTH - 1
        else:
            line = line + b" " + word if line else word
    return b"\r\n ".join((*lines, line))


def _encoded_words(text: str) -> bytes:
    """Encoded words in base64, each at most 75 characters and none splitting a character (RFC 2047 sections 2 and 5)."""
    words, piece = [], b""
    for character in text:
        encoded = character.encode()
        if len(piece) + len(encoded) > _WORD_OCTETS:
            words.append(piece)
            piece = b""
        piece += encoded
    return b"\r\n ".join(b"=?utf-8?B?" + base64.b64encode(word) + b"?=" for word in (*words, piece))


def address(text: str, *, field: str) -> bytes:
    """An addr-spec: a dot-atom at a domain of at least two labels in ASCII; beyond ASCII in UTF-8 (RFC 6532). Raises AddressRefused."""
    match = (_ADDRESS if text.isascii() else _WIDE_ADDRESS).fullmatch(text)
    # An encoded word has no place in an address (RFC 2047 section 5), and a program that decodes one there mails to somebody else.
    if not match or _ENCODED_WORD.search(text) or not (text.isascii() or _is_visible(match[1])):
        raise AddressRefused(f"{field} is not an address that can be mailed to", field=field)
    octets = text.encode()
    if len(octets) > _MAX_ADDRESS or len(match[1].encode()) > _MAX_LOCAL_PART:
        raise AddressRefused(f"{field} is longer than an address may be", field=field)
    return octets


def _is_visible(local_part: str) -> bool:
    """Letters, marks, digits, punctuation and symbols only: no control, format, surrogate or separator."""
    return not any(unicodedata.category(character)[0] in "CZ" for character in local_part)


def mailbox(text: str, name: str = "", *, field: str) -> bytes:
    """An address with an optional display name (RFC 5322 section 3.4). Raises AddressRefused, UnsafeCharacter, TooLarge."""
    spec = address(text, field=field)
    if not name:
        return spec
    if len(name) > MAX_FILENAME:
        raise TooLarge(f"{field} has a name of more than {MAX_FILENAME} characters", field=field)
    safe(name, field=field)
    if "=?" not in name and len(name) <= _WIDTH - len("From: ") and _PHRASE_ATOM.fullmatch(name):
        phrase = name.encode()
    elif name.isascii() and "=?" not in name and len(name) < _WIDTH // 2:
        phrase = b'"' + name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    else:
        phrase = _encoded_words(name)
    return phrase + b"\r\n <" + spec + b">"


def message_id(text: str) -> bytes:
    """A Message-ID with its angle brackets (RFC 5322 section 3.6.4, without comments or quoting). Raises EntityError."""
    if not (text.startswith("<") and text.endswith(">") and len(text) <= _MAX_ADDRESS and _ADDRESS.fullmatch(text[1:-1])):
        raise EntityError("not a Message-ID", field="message_id")
    return text.encode()


def content_id(text: str, *, field: str = "content_id") -> bytes:
    """A Content-ID with its angle brackets (RFC 2045 section 7). Raises ContentIdRefused."""
    if len(text) > MAX_CONTENT_ID or not _CONTENT_ID.fullmatch(text):
        raise ContentIdRefused(f"a content id has at most {MAX_CONTENT_ID} letters, digits, dots, dashes and plus signs, and one @", field=field)
    return b"<" + text.encode() + b">"


def media_type(text: str, *, field: str = "content_type") -> bytes:
    """A `type/subtype` that base64 may carry (RFC 2046 section 5 forbids it for composite types). Raises MediaTypeRefused."""
    match = _MEDIA_TYPE.fullmatch(text)
    if not match or match[1].lower() in _COMPOSITE:
        raise MediaTypeRefused("an attachment's type is type/subtype, and neither multipart nor message", field=field)
    return text.lower().encode()


def filename(text: str, *, field: str = "filename") -> bytes:
    """A `filename` parameter, ready to stand behind a semicolon (RFC 2183 section 2.3, RFC 2231). Raises UnsafeCharacter, TooLarge."""
    if not 1 <= len(text) <= MAX_FILENAME:
        raise TooLarge(f"a file name has 1 to {MAX_FILENAME} characters", field=field)
    safe(text, field=field)
    if "/" in text or "\\" in text or _DIRECTION.search(text) or not text.strip(". "):
        raise UnsafeCharacter("a file name has no folders, no direction overrides, and more than dots", field=field)
    if _PLAIN_NAME.fullmatch(text):
        return b'filename="' + text.encode() + b'"'
    return _extended(text)


def _extended(text: str) -> bytes:
    """RFC 2231 section 4.1: percent-encoded UTF-8 in numbered continuations, cut between characters."""
    pieces, piece = [], b"utf-8''"
    for character in text:
        octets = character.encode()
        encoded = octets if character.isascii() and character.isalnum() else b"".join(b"%%%02X" % octet for octet in octets)
        if len(piece) + len(encoded) > _PIECE:
            pieces.append(piece)
            piece = b""
        piece += encoded
    pieces.append(piece)
    if len(pieces) == 1:
        return b"filename*=" + piece
    return b";\r\n ".join(b"filename*%d*=%s" % numbered for numbered in enumerate(pieces))
