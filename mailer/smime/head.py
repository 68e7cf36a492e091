"""The header of a message or part as it was sent. What other programs would read differently is noted (`odd`) or, for Content-Type twice, refused."""

import re
from email.message import Message
from email.policy import compat32
from typing import NamedTuple

from .errors import MalformedCms, TooLarge

MAX_HEAD = 256 * 1024
MAX_FIELDS = 1000
_END = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_MAILBOX_LINE = re.compile(rb">?From [^\s:]")
_ONCE = ("content-type", "content-transfer-encoding")
_MAX_TYPED = 8 * 1024
# RFC 2045 section 5.1, without the comments and escapes that some programs undo and others read.
_TYPE = re.compile(r"[\w!#$%&'*+.^`{|}~-]+/[\w!#$%&'*+.^`{|}~-]+(?=[ \t]*(?:;|\Z))", re.ASCII)
_PARAMETER = re.compile(r"""[ \t]*+;[ \t]*+(?:([^\s;="()\\]++)[ \t]*+=[ \t]*+("[^"\\]*+"|[^\s;"()\\]++))?+[ \t]*+""")
# RFC 2046 section 5.1.1 and more that is in use: ASCII, and in quotes where it is not a token, since some programs end it there.
_BOUNDARY = re.compile(r"""[\w!#$%&*+.^`{|}~'-]+|"[\w!#$%&*+.^`{|}~'()<>@,:/\[\]?= -]+(?<! )\"""", re.ASCII)


class Field(NamedTuple):
    """A field's name in lower case, and its value unfolded, without what is around it; octets that are not UTF-8 are surrogates."""

    name: str
    value: str


class Head(NamedTuple):
    """The fields in the order they came; `odd` if there are lines between them that are none."""

    fields: tuple[Field, ...]
    odd: bool = False

    def all(self, name: str) -> list[str]:
        return [field.value for field in self.fields if field.name == name]

    def first(self, name: str, default: str = "") -> str:
        return next(iter(self.all(name)), default)

    @property
    def _typed(self) -> Message:
        message = Message(policy=compat32)
        message["Content-Type"] = self.first("content-type", "text/plain").encode("ascii", "replace").decode("ascii")
        return message

    @property
    def content_type(self) -> str:
        """Such as `text/plain`, in lower case; empty if it cannot be read in one way."""
        if self.oddly_typed:
            return ""
        return self._typed.get_content_type()

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, empty if there is none.

        Raises MalformedCms if it is there twice, where programs take the first or the last, or anything is in a form that they read differently.
        """
        value = self.first("content-type")
        found, at = [], end.end() if (end := _TYPE.match(value)) else 0
        while at < len(value):
            parameter = _PARAMETER.match(value, at)
            if parameter is None:
                raise MalformedCms("a Content-Type that may be read in two ways")
            at = parameter.end()
            if parameter[1] and parameter[1].lower().partition("*")[0] == name:
                found.append(parameter)
        if len(found) > 1:
            raise MalformedCms(f"the parameter {name} is there twice")
        if found and (found[0][1].lower() != name or (name == "boundary" and not _BOUNDARY.fullmatch(found[0][2]))):
            raise MalformedCms(f"the parameter {name} is written oddly")
        return found[0][2].strip('"') if found else ""

    @property
    def oddly_typed(self) -> bool:
        """Content-Type is there, but not with a type alone: programs may take it for another."""
        return any(not _TYPE.match(value) for value in self.all("content-type"))

    @property
    def file_name(self) -> str:
        """By Content-Disposition or Content-Type, in lower case."""
        message = self._typed
        message["Content-Disposition"] = self.first("content-disposition", "inline").encode("ascii", "replace").decode("ascii")
        return (message.get_filename() or "").lower()

    @property
    def transfer_encoding(self) -> str:
        return self.first("content-transfer-encoding", "7bit").strip().lower()


def split(entity: bytes) -> tuple[Head, bytes]:
    """The header and the octets of the body; lines end in CRLF or, as files often have it, LF. Raises TooLarge, MalformedCms."""
    if entity[:1] == b"\n" or entity[:2] == b"\r\n":
        return Head(()), entity[entity.index(b"\n") + 1 :]
    end = _END.search(entity, 0, MAX_HEAD)
    if end is None:
        raise (TooLarge if len(entity) > MAX_HEAD else MalformedCms)("the header does not end")
    head = _read(entity[: end.start()])
    for name in _ONCE:
        if len(head.all(name)) > 1:
            raise MalformedCms(f"{name} is there twice")
        if len(head.first(name)) > _MAX_TYPED:
            raise TooLarge(f"a {name} of more than {_MAX_TYPED} characters")
    return head, entity[end.end() :]


def _read(octets: bytes) -> Head:
    lines = _LINE_END.split(octets)
    if _MAILBOX_LINE.match(lines[0]):
        del lines[0]  # how mailbox files part messages
    unfolded: list[bytearray] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and unfolded:
            unfolded[-1] += line
        else:
            unfolded.append(bytearray(line))
            if len(unfolded) > MAX_FIELDS:
                raise TooLarge(f"more than {MAX_FIELDS} header fields")
    matched = [_FIELD.fullmatch(bytes(line)) for line in unfolded]
    fields = tuple(Field(field[1].decode("ascii").lower(), field[2].decode("utf-8", "surrogateescape").strip(" \t")) for field in matched if field)
    # A line of blanks alone ends the header in some programs, a carriage return alone a line, and NUL a value.
    odd = len(fields) < len(matched) or any(not line.strip() for line in lines) or any(b"\r" in line or b"\x00" in line for line in unfolded)
    return Head(fields, odd=odd)
