"""A cursor over BER or DER for reading CMS: each step names the tag it expects, so that anything else is refused where it stands."""

from .ber import Buffer, Element
from .der import INTEGER, OCTET_STRING, SEQUENCE
from .errors import MalformedCms, TooLarge

MAX_CMS = 32 * 1024 * 1024
_CONSTRUCTED = 0x20
# What mail leaves behind an encoding: a line end or filling. Other octets there are an attempt at something.
_TRAILERS = b"\x00\t\n\r "


class Reader:
    """Reads the elements between two offsets of a buffer in turn. All methods raise MalformedCms and TooLarge."""

    def __init__(self, buffer: Buffer, start: int, end: int) -> None:
        self._buffer, self._offset, self._end = buffer, start, end

    @classmethod
    def of(cls, data: bytes, *, max_size: int = MAX_CMS) -> "Reader":
        """Over one whole encoding from outside."""
        if len(data) > max_size:
            raise TooLarge(f"more than {max_size} bytes")
        buffer = Buffer(data)
        after = buffer.element(0, len(data)).next
        if data[after:].strip(_TRAILERS):
            raise MalformedCms("there is data after the end")
        return cls(buffer, 0, after)

    @classmethod
    def over(cls, contents: bytes) -> "Reader":
        """Over any number of elements in a row."""
        return cls(Buffer(contents), 0, len(contents))

    @property
    def tag(self) -> int | None:
        """The next element's tag, or None at the end."""
        return self._buffer.data[self._offset] if self._offset < self._end else None

    def _next(self, *tags: int) -> Element:
        element = self._buffer.element(self._offset, self._end)
        if tags and element.tag not in tags:
            raise MalformedCms(f"tag {element.tag:#04x} where {tags[0]:#04x} belongs")
        self._offset = element.next
        return element

    def whole(self, *tags: int) -> bytes:
        """The next element as it stands, with its head; of one of the tags, if any are given."""
        element = self._next(*tags)
        return self._buffer.data[element.start : element.next]

    def contents(self, tag: int) -> bytes:
        """The next element without its head."""
        element = self._next(tag)
        return self._buffer.data[element.contents : element.end]

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """The octets of the next element, an OCTET STRING or implicitly one, in one piece or many."""
        return self._buffer.octets(self._next(tag, tag | _CONSTRUCTED))

    def number(self) -> int:
        """The next element, an INTEGER."""
        return int.from_bytes(self.contents(INTEGER), "big", signed=True)

    def enter(self, tag: int) -> "Reader":
        """A reader of what is inside the next element."""
        element = self._next(tag)
        return Reader(self._buffer, element.contents, element.end)

    def entered(self, tag: int) -> "Reader | None":
        """As `enter`, or None if the next element has another tag or there is none."""
        return self.enter(tag) if self.tag == tag else None

    def skip(self, *tags: int) -> None:
        """Pass over the next element if it has one of these tags."""
        if self.tag in tags:
            self._next()

    def close(self) -> None:
        """There must be nothing left."""
        if self._offset != self._end:
            raise MalformedCms("an element has more members than it may")


class Algorithm:
    """An AlgorithmIdentifier (RFC 5280 section 4.1.1.2): the identifier's DER, the parameters' encoding or None."""

    def __init__(self, encoded: bytes) -> None:
        """Raises MalformedCms."""
        reader = Reader.of(encoded).enter(SEQUENCE)
        self.name = reader.whole(0x06)
        self.parameters = reader.whole() if reader.tag is not None else None
        reader.close()

    @property
    def bare(self) -> bool:
        """There are no parameters, or NULL, which many write in their place."""
        return self.parameters is None or self.parameters == b"\x05\x00"
