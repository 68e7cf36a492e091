"""BER (X.690 section 8) as other programs write it: where elements lie in a buffer, at indefinite lengths and in pieces too.

Nothing is copied or encoded anew, so that what was signed stays the octets that were sent. One pass over the buffer, whatever is nested in it:
the ends of indefinite lengths are remembered. All functions raise MalformedCms, and TooLarge beyond the limits.
"""

from typing import NamedTuple

from .errors import MalformedCms, TooLarge

MAX_DEPTH = 32
MAX_ELEMENTS = 1_000_000

_CONSTRUCTED = 0x20
_LONG_FORM = 0x80
_MULTI_BYTE_TAG = 0x1F
_MAX_LENGTH_OCTETS = 8
_OCTET_STRING = 0x04
_END_OF_CONTENTS = 2


class Element(NamedTuple):
    """One element: its tag, the offsets of its first octet and of its contents' start and end, and where the next one starts."""

    tag: int
    start: int
    contents: int
    end: int
    next: int


class Buffer:
    """The octets of one encoding with what has been found out about them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._ends: dict[int, int] = {}
        self._left = MAX_ELEMENTS

    def element(self, offset: int, limit: int) -> Element:
        """The element at `offset`, which must end by `limit`."""
        contents, size = self._head(offset, limit)
        tag = self.data[offset]
        if size is None:
            end = self._ends.get(contents)
            if end is None:
                self._scan(contents, limit)
                end = self._ends[contents]
            after = end + _END_OF_CONTENTS
        else:
            end = after = contents + size
        if after > limit:
            raise MalformedCms("an element is longer than what holds it")
        return Element(tag, offset, contents, end, after)

    def octets(self, element: Element) -> bytes:
        """The octets of an OCTET STRING, also one under an implicit tag, joined from its pieces where it is constructed (section 8.7.3)."""
        if not element.tag & _CONSTRUCTED:
            return self.data[element.contents : element.end]
        pieces: list[bytes] = []
        data, open_elements, offset, end = self.data, [element], element.contents, element.end
        while open_elements:
            if offset == end:
                closed = open_elements.pop()
                if open_elements:
                    offset, end = closed.next, open_elements[-1].end
                continue
            piece = self.element(offset, end)
            self._spend(1)
            if piece.tag == _OCTET_STRING:
                pieces.append(data[piece.contents : piece.end])
                offset = piece.next
            elif piece.tag == _OCTET_STRING | _CONSTRUCTED:
                if len(open_elements) >= MAX_DEPTH:
                    raise TooLarge(f"nested more than {MAX_DEPTH} deep")
                open_elements.append(piece)
                offset, end = piece.contents, piece.end
            else:
                raise MalformedCms("a piece of an octet string that is none")
        return b"".join(pieces)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooLarge(f"more than {MAX_ELEMENTS} elements")

    def _head(self, offset: int, limit: int) -> tuple[int, int | None]:
        """Where the contents start and their size, None if it is indefinite."""
        data, contents = self.data, offset + 2
        if contents > limit:
            raise MalformedCms("the data ends inside an element")
        tag, size = data[offset], data[offset + 1]
        if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
            raise MalformedCms("a tag of more than one octet")
        if tag == 0:
            raise MalformedCms("an end of contents where none belongs")
        if size < _LONG_FORM:
            return contents, size
        if size == _LONG_FORM:
            if not tag & _CONSTRUCTED:
                raise MalformedCms("a primitive element of indefinite length")
            return contents, None
        octets = size - _LONG_FORM
        if octets > _MAX_LENGTH_OCTETS or contents + octets > limit:
            raise MalformedCms("a length that cannot be")
        return contents + octets, int.from_bytes(data[contents : contents + octets], "big")

    def _scan(self, contents: int, limit: int) -> None:
        """Remember where the indefinite element ends whose contents start here, and those inside it."""
        data, ends, inside, offset, seen = self.data, self._ends, [contents], contents, 0
        while inside:
            if offset + _END_OF_CONTENTS > limit:
                raise MalformedCms("an element of indefinite length does not end")
            seen += 1
            if seen > self._left:
                raise TooLarge(f"more than {MAX_ELEMENTS} elements")
            if data[offset] == data[offset + 1] == 0:
                ends[inside.pop()] = offset
                offset += _END_OF_CONTENTS
                continue
            start, size = self._head(offset, limit)
            if size is not None:
                offset = start + size
                continue
            if len(inside) >= MAX_DEPTH:
                raise TooLarge(f"nested more than {MAX_DEPTH} deep")
            inside.append(start)
            offset = start
        self._left -= seen
