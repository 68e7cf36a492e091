"""Just enough DER (X.690) to cut exact bytes out of a certificate: what was signed must not be encoded anew."""

from typing import NamedTuple

from .errors import MalformedCertificateError

SEQUENCE = 0x30
INTEGER = 0x02
OBJECT_IDENTIFIER = 0x06
EXPLICIT_0 = 0xA0
_LONG = 0x80
_MOST_LENGTH_OCTETS = 3


class Element(NamedTuple):
    """One element: its tag and where it starts, where its content starts, and where it ends."""

    tag: int
    start: int
    content: int
    end: int


def element(data: bytes, start: int, limit: int) -> Element:
    """The element at `start`, which must end at or before `limit`; raises MalformedCertificateError."""
    if start + 2 > limit:
        raise MalformedCertificateError("The DER ends too early.")
    length, content = data[start + 1], start + 2
    if length >= _LONG:
        octets = length - _LONG
        if not 1 <= octets <= _MOST_LENGTH_OCTETS or content + octets > limit:
            raise MalformedCertificateError("The DER has a length that cannot be.")
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    if content + length > limit:
        raise MalformedCertificateError("The DER ends too early.")
    return Element(data[start], start, content, content + length)


def children(data: bytes, parent: Element) -> list[Element]:
    """The elements inside `parent`, in order; raises MalformedCertificateError."""
    found = []
    at = parent.content
    while at < parent.end:
        child = element(data, at, parent.end)
        found.append(child)
        at = child.end
    return found


def sequence(content: bytes) -> bytes:
    """`content` as one SEQUENCE."""
    length = len(content)
    if length < _LONG:
        return bytes((SEQUENCE, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((SEQUENCE, _LONG + len(octets))) + octets + content
