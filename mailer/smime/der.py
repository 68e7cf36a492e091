"""DER (X.690): writing primitives for the hot path, and a strict bounded reader for what must be cut out of a certificate.

Every function takes and gives complete encodings as bytes.
"""

from collections.abc import Collection
from typing import NamedTuple

from .errors import MalformedCms

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1  # constructed
NULL = b"\x05\x00"

_LONG_FORM = 0x80
_MULTI_BYTE_TAG = 0x1F
_MAX_LENGTH_OCTETS = 4


def length(size: int) -> bytes:
    """The length octets of `size` (X.690 section 10.1)."""
    if size < _LONG_FORM:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((_LONG_FORM | len(octets),)) + octets


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element: the tag octet, the length, and the joined parts as contents."""
    contents = b"".join(parts)
    return bytes((tag,)) + length(len(contents)) + contents


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, *parts)


def set_of(parts: Collection[bytes]) -> bytes:
    """A SET OF in DER: its elements sorted by their encodings (X.690 section 11.6)."""
    return tlv(SET, *sorted(parts))


def octet_string(contents: bytes) -> bytes:
    return tlv(OCTET_STRING, contents)


def explicit(number: int, *parts: bytes) -> bytes:
    """A constructed context tag [number]."""
    return tlv(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        octets += bytes(reversed(groups))
    return tlv(OID, bytes(octets))


class Element(NamedTuple):
    """Where one element lies in a buffer: its tag, and the offsets of its first octet, its contents and its end."""

    tag: int
    start: int
    contents: int
    end: int


def read(data: bytes, offset: int = 0, limit: int | None = None) -> Element:
    """The element at `offset`, which must end by `limit` (default: the end of `data`).

    Definite minimal lengths and single-octet tags only. Raises MalformedCms.
    """
    limit = len(data) if limit is None else limit
    if offset + 2 > limit:
        raise MalformedCms("the data ends inside an element")
    tag, size, contents = data[offset], data[offset + 1], offset + 2
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise MalformedCms("a tag of more than one octet")
    if size >= _LONG_FORM:
        octets = size - _LONG_FORM
        if not 1 <= octets <= _MAX_LENGTH_OCTETS or contents + octets > limit:
            raise MalformedCms("a length that DER does not allow")
        size = int.from_bytes(data[contents : contents + octets], "big")
        if length(size) != data[offset + 1 : contents + octets]:
            raise MalformedCms("a length that is not minimal")
        contents += octets
    if contents + size > limit:
        raise MalformedCms("an element is longer than what holds it")
    return Element(tag, offset, contents, contents + size)


def children(data: bytes, parent: Element) -> list[Element]:
    """The elements directly inside a constructed element. Raises MalformedCms."""
    found, offset = [], parent.contents
    while offset < parent.end:
        element = read(data, offset, parent.end)
        found.append(element)
        offset = element.end
    return found
