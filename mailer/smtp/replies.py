"""The relay's replies (RFC 5321 section 4.2), read from hostile octets within fixed limits."""

import re
from typing import NamedTuple

from .errors import BrokenError

MOST_LINE = 4096  # RFC 5321 section 4.5.3.1.5 asks for 512; real relays write more
MOST_LINES = 100
MOST_TEXT = 500
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_OK, _NEVER = 2, 5


class Reply(NamedTuple):
    """A reply's code, and its text as one printable line of at most `MOST_TEXT` characters."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return self.code // 100 == _OK

    @property
    def for_good(self) -> bool:
        """Refused, and trying again would not help (RFC 5321 section 4.2.1)."""
        return self.code // 100 == _NEVER

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class ReplyReader:
    """Makes replies out of what arrives, in pieces of any size."""

    def __init__(self) -> None:
        self._octets = b""
        self._lines: list[bytes] = []
        self._last: list[bytes] = []

    @property
    def is_empty(self) -> bool:
        """Nothing has come that is not yet part of a reply."""
        return not self._octets and not self._lines

    def feed(self, octets: bytes) -> list[Reply]:
        """The replies that are now whole. Raises BrokenError for what is no reply, or is longer than any."""
        *lines, self._octets = (self._octets + octets).split(b"\n")
        replies = []
        for line in lines:
            reply = self._add(line.removesuffix(b"\r"))
            if reply is not None:
                replies.append(reply)
        if len(self._octets) > MOST_LINE:
            raise BrokenError("the relay wrote a line without an end")
        return replies

    def lines(self) -> list[str]:
        """The text of the last reply's lines: what EHLO is answered with."""
        return [line.decode("ascii", "replace") for line in self._last]

    def _add(self, line: bytes) -> Reply | None:
        match = _LINE.fullmatch(line)
        if match is None or len(line) > MOST_LINE:
            raise BrokenError("the relay does not speak SMTP")
        self._lines.append(match[3] or b"")
        if match[2] == b"-":
            if len(self._lines) >= MOST_LINES:
                raise BrokenError("the relay gave a reply without an end")
            return None
        self._last, self._lines = self._lines, []
        return Reply(int(match[1]), printable(b" ".join(self._last)))


def printable(text: bytes) -> str:
    """Without control, direction and invisible characters, which could lie to who reads a log."""
    return _NOT_TEXT.sub(" ", text.decode("utf-8", "replace")).strip()[:MOST_TEXT]
