"""LDAP searches (RFC 4511) as prepared octets, and what takes their answers: light enough to be far from the bottleneck.

Everything is BER with definite lengths, as section 5.1 wants it of both sides.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.errors import NotMeasuredError
from bench.load import Caller

BASE = "dc=example,dc=net"
CERTIFICATE = "userCertificate;binary"
# What a search for certificates has to bring back: whose it is, and the DER.
ATTRIBUTES = ("mail", CERTIFICATE)

_INTEGER, _OCTETS, _ENUMERATED, _SEQUENCE, _SET = 0x02, 0x04, 0x0A, 0x30, 0x31
_SEARCH, _ENTRY = 0x63, 0x64
_OR, _EQUALITY = 0xA1, 0xA3
_SUBTREE = 2
_LONG = 0x80
# Every message has this number: a connection has one under way.
_NUMBER = b"\x02\x01\x01"
_SUCCESS = _NUMBER + b"\x65\x07\x0a\x01\x00\x04\x00\x04\x00"


class Entry(NamedTuple):
    """One SearchResultEntry: each attribute's values by its description."""

    name: str
    attributes: dict[str, list[bytes]]


def search(addresses: Sequence[str]) -> bytes:
    """A SearchRequest (section 4.5.1) for the entries that have one of these as `mail`."""
    matches = [_value(_EQUALITY, _text("mail") + _text(address)) for address in addresses]
    wanted = matches[0] if len(matches) == 1 else _value(_OR, b"".join(matches))
    names = _value(_SEQUENCE, b"".join(map(_text, ATTRIBUTES)))
    never, no_limit, types_only = _value(_ENUMERATED, b"\x00"), _value(_INTEGER, b"\x00"), b"\x01\x01\x00"
    asked = _text(BASE) + _value(_ENUMERATED, bytes([_SUBTREE])) + never + 2 * no_limit + types_only + wanted + names
    return _value(_SEQUENCE, _NUMBER + _value(_SEARCH, asked))


def entries(answer: bytes) -> Iterator[Entry]:
    """The entries of an answer that was taken whole."""
    for _, message in _values(answer):
        [_, (kind, content)] = _values(message)
        if kind == _ENTRY:
            [(_, name), (_, attributes)] = _values(content)
            parts = [[value for _, value in _values(attribute)] for _, attribute in _values(attributes)]
            yield Entry(name.decode(), {description.decode(): [value for _, value in _values(values)] for description, values in parts})


class Searcher(Caller):
    """One connection with one search under way, whose requests each find `expected` entries."""

    def __init__(self, port: int, *, expected: int) -> None:
        super().__init__(port)
        self._expected, self._found, self._place = expected, 0, 0
        self.answer = bytearray()

    def send(self, request: bytes) -> None:
        self._found, self._place = 0, 0
        self.answer.clear()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Raises NotMeasuredError for a failure, and for fewer or more entries than expected."""
        self.answer += self.take()
        while (frame := _frame(self.answer, self._place)) is not None:
            start, self._place = frame
            kind = self.answer[start + len(_NUMBER)]
            if kind == _ENTRY:
                self._found += 1
            elif self.answer[start : self._place] != _SUCCESS:
                raise NotMeasuredError(f"slapd answered {bytes(self.answer[start : self._place])!r}")
            elif self._found != self._expected:
                raise NotMeasuredError(f"slapd found {self._found} entries of {self._expected}")
            else:
                return True
        return False


def _values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of one value after the other."""
    place = 0
    while (frame := _frame(content, place)) is not None:
        tag, (start, place) = content[place], frame
        yield tag, content[start:place]


def _frame(content: bytes | bytearray, place: int) -> tuple[int, int] | None:
    """Where the content of the value at `place` begins and ends, or None if it is not all there."""
    if len(content) < place + 2:
        return None
    length, start = content[place + 1], place + 2
    if length >= _LONG:
        octets = length - _LONG
        if len(content) < start + octets:
            return None
        length, start = int.from_bytes(content[start : start + octets]), start + octets
    return (start, start + length) if start + length <= len(content) else None


def _value(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _LONG:
        return bytes([tag, length]) + content
    octets = (length.bit_length() + 7) // 8
    return bytes([tag, _LONG + octets]) + length.to_bytes(octets) + content


def _text(text: str) -> bytes:
    return _value(_OCTETS, text.encode())
