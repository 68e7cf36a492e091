"""A mail as it goes over the line: its commands and its dot-stuffed octets."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from .replies import Reply

_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
_LONE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Mail(NamedTuple):
    """`key` is the caller's own name for it; `octets` are the whole mail with CRLF. `sender` may be the null path; `domain` is the recipient's."""

    key: object
    sender: str
    recipient: str
    octets: bytes
    domain: str


def envelope(mail: Mail, extensions: Mapping[str, str]) -> tuple[bytes, bytes] | Reply:
    """MAIL and RCPT with what the relay's extensions ask for, or the reply that the relay would have to give: it cannot take this mail.

    RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8). Raises ValueError for an address that no envelope can carry.
    """
    if _UNSAFE.search(mail.sender) or _UNSAFE.search(mail.recipient):
        raise ValueError("an address with a blank, a bracket or a control character")
    options = ""
    limit = extensions.get("SIZE")
    if limit is not None:
        size = len(mail.octets)
        if limit.isdecimal() and len(limit) <= 20 and 0 < int(limit) < size:  # noqa: PLR2004 - a number of 20 digits at most (RFC 1870)
            return Reply(552, f"the mail has {size} octets and the relay takes {int(limit)}")
        options += f" SIZE={size}"
    if not mail.octets.isascii() and "8BITMIME" in extensions:
        options += " BODY=8BITMIME"
    if not (mail.sender + mail.recipient).isascii():
        if "SMTPUTF8" not in extensions:
            return Reply(550, "the relay does not take international addresses (SMTPUTF8)")
        options += " SMTPUTF8"
    return f"MAIL FROM:<{mail.sender}>{options}\r\n".encode(), f"RCPT TO:<{mail.recipient}>\r\n".encode()


def stuffed(octets: bytes) -> tuple[bytes, bytes]:
    """The mail's octets as DATA carries them, and the end (RFC 5321 section 4.5.2).

    A lone CR or LF could end the mail early at a lenient relay, and what follows would be commands: each becomes CRLF.
    """
    if not octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n"):
        octets = _LONE_END.sub(b"\r\n", octets)
    if b"\n." in octets:
        octets = octets.replace(b"\n.", b"\n..")
    if octets.startswith(b"."):
        octets = b"." + octets
    return octets, b".\r\n" if octets.endswith(b"\n") else b"\r\n.\r\n"
