"""A cursor over DER for reading CMS: each step names the tag it expects, so that anything else is refused where it stands."""

from . import der
from .errors import MalformedCms, TooLarge

MAX_CMS = 32 * 1024 * 1024


class Reader:
    """Reads the elements between two offsets of a buffer in turn. All methods raise MalformedCms."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._offset, self._end = data, start, end

    @classmethod
    def of(cls, data: bytes, *, max_size: int = MAX_CMS) -> "Reader":
        """Over one whole encoding from outside. Raises TooLarge too."""
        if len(data) > max_size:
            raise TooLarge(f"more than {max_size} bytes")
        if der.read(data).end != len(data):
            raise MalformedCms("there is data after the end")
        return cls(data, 0, len(data))

    @property
    def tag(self) -> int | None:
        """The next element's tag, or None at the end."""
        return self._data[self._offset] if self._offset < self._end else None

    def _next(self, tag: int | None) -> der.Element:
        element = der.read(self._data, self._offset, self._end)
        if tag is not None and element.tag != tag:
            raise MalformedCms(f"tag {element.tag:#04x} where {tag:#04x} belongs")
        self._offset = element.end
        return element

    def whole(self, tag: int | None = None) -> bytes:
        """The next element with its head."""
        element = self._next(tag)
        return self._data[element.start : element.end]

    def contents(self, tag: int) -> bytes:
        """The next element without its head."""
        element = self._next(tag)
        return self._data[element.contents : element.end]

    def enter(self, tag: int) -> "Reader":
        """A reader of what is inside the next element."""
        element = self._next(tag)
        return Reader(self._data, element.contents, element.end)

    def skip(self, tag: int) -> None:
        """Pass over the next element if it has this tag."""
        if self.tag == tag:
            self._next(tag)

    def close(self) -> None:
        """There must be nothing left."""
        if self._offset != self._end:
            raise MalformedCms("an element has more members than it may")
