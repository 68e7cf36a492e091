"""Delivery status notifications (RFC 3464) as they come back to the envelope's sender: outside input, read with bounds. Free of Django.

Anybody who knows a Message-ID can write one. What one says is worth a mark with its source, and never makes us send.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.message import Message as Headers
from email.parser import BytesHeaderParser
from enum import StrEnum

LARGEST = 1024 * 1024
MOST_RECIPIENTS = 100
_LARGEST_HEAD = 64 * 1024
_MOST_PARTS = 10
_MOST_WORDS = 500
_LONGEST_BOUNDARY = 70  # RFC 2046 section 5.1.1
_LONGEST_ADDRESS = 320
_PARSER = BytesHeaderParser(policy=policy.compat32)
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,253}>")
_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class NotADsnError(ValueError):
    """This is no delivery status notification that can be read; the text says why."""


class Action(StrEnum):
    """RFC 3464 section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True)
class Verdict:
    """What a notification says of one recipient. `addresses` are the final and the original one, as written."""

    addresses: frozenset[str]
    action: Action
    words: str


@dataclass(frozen=True)
class DeliveryStatus:
    message_id: str
    verdicts: tuple[Verdict, ...]


def parse_dsn(raw: bytes) -> DeliveryStatus:
    """Read a multipart/report of RFC 6522 that returns the mail or its header section. Raises NotADsnError."""
    if len(raw) > LARGEST:
        raise NotADsnError(f"larger than {LARGEST} bytes")
    head, body = _split(raw.replace(b"\r\n", b"\n"))
    if head.get_content_type() != "multipart/report" or _parameter(head, "report-type") != "delivery-status":
        raise NotADsnError("not a multipart/report of report-type delivery-status")
    verdicts: tuple[Verdict, ...] = ()
    message_id = ""
    for part_head, part in _parts(body, _parameter(head, "boundary")):
        kind = part_head.get_content_type()
        if kind in {"message/delivery-status", "message/global-delivery-status"} and not verdicts:
            verdicts = tuple(_verdicts(part))
        elif kind in {"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"} and not message_id:
            message_id = str(_split(part.lstrip(b"\n"))[0].get("Message-ID", "")).strip()
    if not verdicts:
        raise NotADsnError("no recipient's status")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise NotADsnError("it does not return the Message-ID of what it is about")
    return DeliveryStatus(message_id, verdicts)


def _split(raw: bytes) -> tuple[Headers, bytes]:
    head, _gap, body = raw.partition(b"\n\n")
    if len(head) > _LARGEST_HEAD:
        raise NotADsnError("a header section that is too long")
    try:
        return _PARSER.parsebytes(head + b"\n\n"), body
    except (MessageError, ValueError, LookupError) as error:
        raise NotADsnError("a header section that cannot be read") from error


def _parameter(head: Headers, name: str) -> str:
    try:
        value = head.get_param(name)
    except (ValueError, LookupError) as error:
        raise NotADsnError("a Content-Type that cannot be read") from error
    return value if name == "boundary" and isinstance(value, str) else str(value or "").lower()


def _parts(body: bytes, boundary: str) -> Iterator[tuple[Headers, bytes]]:
    """The parts of one level; what they contain is not taken apart."""
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        raise NotADsnError("no boundary that can be read")
    for part in (b"\n" + body).split(b"\n--" + boundary.encode())[1 : _MOST_PARTS + 1]:
        if part.startswith(b"--"):
            return
        yield _split(part.partition(b"\n")[2])


def _verdicts(part: bytes) -> Iterator[Verdict]:
    """Groups of fields, the first about the whole mail (RFC 3464 section 2.1)."""
    for group in [group for group in part.strip(b"\n").split(b"\n\n") if group.strip()][: MOST_RECIPIENTS + 1]:
        fields = _split(group)[0]
        addresses = frozenset(filter(None, (_address(str(fields.get(name, ""))) for name in ("Final-Recipient", "Original-Recipient"))))
        action = str(fields.get("Action", "")).strip().lower()
        if addresses and action in set(Action):
            yield Verdict(addresses, Action(action), _words(fields))


def _address(field: str) -> str:
    """`rfc822; alice@example.net`, or `utf-8; ...` (RFC 6533); empty for other kinds."""
    kind, _semicolon, address = field.partition(";")
    return (
        address.strip().removeprefix("<").removesuffix(">")
        if kind.strip().lower() in {"rfc822", "utf-8"} and len(address) <= _LONGEST_ADDRESS
        else ""
    )


def _words(fields: Headers) -> str:
    code = _CODE.match(str(fields.get("Status", "")).strip())
    said = str(fields.get("Diagnostic-Code", "")).partition(";")[2]
    return " ".join(_NOT_TEXT.sub(" ", f"{code[0] if code else ''} {said}").split())[:_MOST_WORDS]
