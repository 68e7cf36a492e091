"""Transfer encodings of bodies (RFC 2045 section 6), all with CRLF and lines of at most 76 characters unless the text stays as it is."""

import binascii
from typing import NamedTuple

import pybase64

_MAX_LINE = 998  # RFC 5322 section 2.1.1
_MAX_ENCODED_LINE = 76
# Controls that only quoted-printable carries safely.
_CONTROLS = bytes([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F])


class Encoded(NamedTuple):
    """`name` is the Content-Transfer-Encoding."""

    name: bytes
    body: bytes


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters, each ended by CRLF."""
    return pybase64.encodebytes(data).replace(b"\n", b"\r\n")


def canonical(text: bytes) -> bytes:
    """Text with every line break as CRLF, and one at its end (RFC 8551 section 3.1.1)."""
    breaks = text.count(b"\r\n")
    if not text.count(b"\n") == text.count(b"\r") == breaks:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") else text + b"\r\n"


def encode_text(text: bytes) -> Encoded:
    """The shortest safe encoding of canonical text in UTF-8.

    Text stays as it is unless a gateway could touch it: long lines, blanks at a line's end, `From ` at its start. 8bit is safe, since what
    is signed here always travels inside an encrypted envelope (RFC 8551 section 3.1.3).
    """
    if not _is_fragile(text):
        return Encoded(b"7bit" if text.isascii() else b"8bit", text)
    quoted = binascii.b2a_qp(text, istext=True).replace(b"\nFrom ", b"\n=46rom ")
    if quoted.startswith(b"From "):
        quoted = b"=46" + quoted[1:]
    # A script other than Latin grows threefold in quoted-printable, by a third in base64; and a blank or letter that was quoted at a line's
    # end or start may stand over the edge.
    if len(quoted) * 2 > len(text) * 3 or max(map(len, quoted.split(b"\r\n"))) > _MAX_ENCODED_LINE:
        return Encoded(b"base64", base64_lines(text))
    return Encoded(b"quoted-printable", quoted)


def _has_long_line(text: bytes) -> bool:
    """Jumps from line end to line end, as far apart as is allowed, instead of looking at every line."""
    start = 0
    while len(text) - start > _MAX_LINE:
        end = text.rfind(b"\r\n", start, start + _MAX_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def _is_fragile(text: bytes) -> bool:
    if b" \r\n" in text or b"\t\r\n" in text or text.startswith(b"From ") or b"\nFrom " in text:
        return True
    return len(text.translate(None, _CONTROLS)) != len(text) or _has_long_line(text)
