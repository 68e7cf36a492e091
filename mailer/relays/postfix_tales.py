"""What Postfix's log tells of each queue file: whose it is, what became of it, and when it left the queue. Free of Django."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from mailer.relays.postfix_log import Line

EXPIRED = "expired"
_MOST_WORDS = 500
_TO = re.compile(
    rb"to=<(.{0,320}?)>, (?:orig_to=<(.{0,320}?)>, )?relay=\S{1,300}, (?:conn_use=\d{1,6}, )?delay=[\d.]{1,20}, delays=[\d./]{1,60}, "
    rb"dsn=([245]\.\d{1,3}\.\d{1,3}), status=(sent|bounced|deferred)(?: \((.*)\))?"
)
_TAKEN = re.compile(rb"from=<.{0,320}?>, size=")
_EXPIRED = re.compile(rb"from=<.{0,320}?>, status=(?:force-)?expired, ")
# Other programs say `sent` of what they throw away.
_DELIVERING = frozenset({b"smtp", b"lmtp", b"local", b"virtual", b"pipe"})
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass
class Tale:
    """One queue file's part of what was read. `message_id` is empty where its line came earlier; the words are the last that decided.

    `recipients` are all that its lines name, before and after aliases.
    """

    queue: str
    message_id: str = ""
    is_taken: bool = False
    is_delayed: bool = False
    is_sent: bool = False
    is_bounced: bool = False
    is_closed: bool = False
    words: str = ""
    recipients: set[str] = field(default_factory=set)


def tales(lines: Iterable[Line]) -> list[Tale]:
    """The tales of a stretch of the log, in the order in which they begin. A name that comes again begins a new one."""
    told: list[Tale] = []
    current: dict[bytes, Tale] = {}
    for line in lines:
        if not line.queue or line.program == b"smtpd":
            continue
        key = line.instance + b"/" + line.queue
        named = line.program == b"cleanup" and line.text.startswith(b"message-id=<")
        tale = current.get(key)
        if tale is None or (named and (tale.message_id or tale.is_closed)):
            tale = current[key] = Tale(key.decode("ascii", "replace"))
            told.append(tale)
        if named:
            tale.message_id = line.text[len(b"message-id=") :].strip().decode("ascii", "replace")
        else:
            _tell(tale, line)
    return told


def _tell(tale: Tale, line: Line) -> None:
    if line.text == b"removed":
        tale.is_closed = True
    elif line.program == b"qmgr" and _TAKEN.match(line.text):
        tale.is_taken = True
    elif line.program == b"qmgr" and _EXPIRED.match(line.text):
        tale.is_bounced = True
        tale.words = f"{EXPIRED}; {tale.words}" if tale.words else EXPIRED
    elif found := _TO.fullmatch(line.text):
        status = found[4]
        tale.recipients |= {address.decode("utf-8", "replace") for address in (found[1], found[2]) if address}
        if status == b"sent" and line.program in _DELIVERING:
            tale.is_sent = True
        elif status == b"bounced":
            tale.is_bounced = True
        elif status == b"deferred":
            tale.is_delayed = True
        # What was returned says why, whoever else was reached.
        if status != b"sent" or not tale.is_bounced:
            tale.words = _words(found[3], found[5] or b"")


def _words(code: bytes, said: bytes) -> str:
    return _NOT_TEXT.sub(" ", f"{code.decode()} {said.decode('utf-8', 'replace')}").strip()[:_MOST_WORDS]
