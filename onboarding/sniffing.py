"""What an uploaded file is, by its content alone: PDF, PNG or JPEG, from the first byte to the last. Free of Django.

A file that is two things at once (a picture with an archive behind it, a PDF inside something else) is refused: what a reviewer's program
makes of it must be what was looked at here.
"""

import struct
import zlib
from enum import StrEnum

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Length and name of a chunk; four bytes of checksum follow its content.
PNG_HEAD = 8
SIDES = struct.Struct(">II")
JPEG_START = b"\xff\xd8\xff"
# Segments of a JPEG without a length (ITU-T T.81 table B.1): restarts, TEM.
JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
JPEG_MARK, JPEG_END, JPEG_SCAN = 0xFF, 0xD9, 0xDA
PDF_STARTS = tuple(f"%PDF-{version}".encode() for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.0"))
PDF_END = b"%%EOF"
# The end record of a ZIP archive stands in the last 64 KB and 22 bytes; an archive may be opened from behind, whatever it begins with.
ZIP_END = b"PK\x05\x06"
ZIP_TAIL = 65557
LARGEST_SIDE = 20_000


class MediaType(StrEnum):
    PDF = "application/pdf"
    PNG = "image/png"
    JPEG = "image/jpeg"


class NotEvidenceError(Exception):
    """The file is none of the three kinds."""


class DamagedFileError(Exception):
    """The file begins as one of the three kinds and is cut, damaged, or has something else behind it."""


def sniff(content: bytes) -> MediaType:
    """The kind of a whole file. Raises NotEvidenceError or DamagedFileError."""
    if content.startswith(PNG_SIGNATURE):
        kind, ends = MediaType.PNG, _png_end(content)
    elif content.startswith(JPEG_START):
        kind, ends = MediaType.JPEG, _jpeg_end(content)
    elif content.startswith(PDF_STARTS):
        kind, ends = MediaType.PDF, _pdf_end(content)
    else:
        raise NotEvidenceError
    if content[ends:].strip(b"\r\n\x00 ") or ZIP_END in content[-ZIP_TAIL:]:
        raise DamagedFileError("something stands behind the end of the file")
    return kind


def _png_end(content: bytes) -> int:
    """PNG (RFC 2083 section 3): IHDR first, every checksum right, IEND last."""
    at, first = len(PNG_SIGNATURE), True
    while at + PNG_HEAD <= len(content):
        length, name = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        ends = at + PNG_HEAD + length + 4
        if ends > len(content) or int.from_bytes(content[ends - 4 : ends]) != zlib.crc32(content[at + 4 : ends - 4]):
            break
        if first:
            _check_sides(content[at + 8 : at + 16], name)
            first = False
        if name == b"IEND":
            return ends
        at = ends
    raise DamagedFileError("the PNG is cut or damaged")


def _check_sides(sides: bytes, name: bytes) -> None:
    if name != b"IHDR" or len(sides) != SIDES.size or not all(0 < side <= LARGEST_SIDE for side in SIDES.unpack(sides)):
        raise DamagedFileError("the PNG has no size that a page can have")


def _jpeg_end(content: bytes) -> int:
    """JPEG (ITU-T T.81 annex B): segment by segment, through each scan's coded data, to the end marker."""
    at = 2
    while at + 4 <= len(content) and content[at] == JPEG_MARK:
        marker = content[at + 1]
        if marker in JPEG_BARE or marker == JPEG_MARK:
            at += 1 if marker == JPEG_MARK else 2
            continue
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
        if marker == JPEG_SCAN:
            at = _next_marker(content, at)
            if content[at + 1 : at + 2] == bytes([JPEG_END]):
                return at + 2
    raise DamagedFileError("the JPEG is cut or damaged")


def _next_marker(content: bytes, at: int) -> int:
    # In coded data FF 00 is a byte of the picture, and restarts stand between its rows.
    while (at := content.find(b"\xff", at)) >= 0:
        following = content[at + 1 : at + 2]
        if following and following[0] != 0 and following[0] not in JPEG_BARE:
            return at
        at += 2
    raise DamagedFileError("the JPEG is cut")


def _pdf_end(content: bytes) -> int:
    """PDF (ISO 32000-1 7.5.5): the last line is the end-of-file marker."""
    found = content.rfind(PDF_END)
    if found < 0 or b"startxref" not in content:
        raise DamagedFileError("the PDF is cut")
    return found + len(PDF_END)
