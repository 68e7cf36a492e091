"""A certificate as an entry of an address book: vCard 4.0 (RFC 6350)."""

import base64
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

MEDIA_TYPE = "text/vcard; charset=utf-8"
# RFC 6350 section 3.2: octets of a line without its line break.
LINE_OCTETS = 75


def vcard(*, name: str, organization: str, addresses: Sequence[str], der: bytes, is_organization: bool, revised_at: datetime) -> bytes:
    """One vCard with FN, EMAIL and KEY (a data: URI of application/pkix-cert, sections 6.8.1 and RFC 2397), in UTF-8 with CRLF."""
    lines = [
        "BEGIN:VCARD",
        "VERSION:4.0",  # section 6.7.9: must stand here
        f"KIND:{'org' if is_organization else 'individual'}",
        f"FN:{text(name)}",
        *([f"ORG:{component(organization)}"] if organization else []),
        *(f"EMAIL:{text(address)}" for address in addresses),
        f"KEY:data:application/pkix-cert;base64,{base64.b64encode(der).decode()}",
        f"REV:{revised_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        "END:VCARD",
    ]
    return b"".join(folded(line) for line in lines)


def text(value: str) -> str:
    """A value of the type TEXT (section 3.4): what would end it or begin another line is escaped or left out."""
    escaped = value.replace("\\", "\\\\").replace("\r\n", "\n").replace("\n", "\\n").replace(",", "\\,")
    return "".join(char for char in escaped if unicodedata.category(char) not in {"Cc", "Cs"})


def component(value: str) -> str:
    """One part of a value that has several, such as ORG (section 6.6.4): there the semicolon stands between them."""
    return text(value).replace(";", "\\;")


def folded(line: str) -> bytes:
    """The line with its CRLF, broken before 75 octets and never inside a character; what follows begins with a space (section 3.2)."""
    parts = list(_cut(line.encode()))
    return b"\r\n ".join(parts) + b"\r\n"


def _cut(octets: bytes) -> Iterable[bytes]:
    start, room = 0, LINE_OCTETS
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == 0x80:  # noqa: PLR2004 - a character's later octets, RFC 3629 section 3
            end -= 1
        yield octets[start:end]
        start, room = end, LINE_OCTETS - 1  # the space counts
    yield octets[start:]
