"""`python -m tests.reliability.sink <port> <folder> <idle seconds> <plain|once>`: a relay that counts for itself.

Each mail's Message-ID is a line of `journal.jsonl`, on the disk before the 250. `once` answers 250 to a mail it has, without a line.
Sessions that stay silent end. Some recipients are refused whatever happens, and bounces are kept as `returned-*.eml`. A file `mood` in the
folder (`rcpt 450 4.3.2 busy`, `data 451 4.3.0 later`) is the answer while it is there.
"""

import asyncio
import json
import os
import re
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import cast

REFUSED = {b"NO-SUCH-USER@": b"550 5.1.1 <%s>: no such user\r\n", b"OVER-QUOTA@": b"452 4.2.2 <%s>: mailbox full\r\n"}
_END = b"\r\n.\r\n"
_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(<[^<>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
# By which name the relay in front, if there is one, knew this mail.
_QUEUE_ID = re.compile(rb"^received:.*?\bid (\w+)", re.IGNORECASE | re.MULTILINE | re.DOTALL)


@dataclass
class Journal:
    """What was taken, one line each, appended and synchronised."""

    folder: Path
    once: bool
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.folder / "journal.jsonl"
        if path.exists():
            lines = [json.loads(line) for line in path.read_bytes().splitlines() if line.endswith(b"}")]
            self.known = {line["id"]: line["sha256"] for line in lines}
        self._file = path.open("ab", buffering=0)

    def take(self, mail: bytes) -> None:
        head = mail.partition(b"\r\n\r\n")[0]
        found, queue = _MESSAGE_ID.search(head), _QUEUE_ID.search(head)
        message_id, digest = found[1].decode("ascii", "replace") if found else "none", sha256(mail).hexdigest()
        if self.once and message_id in self.known:
            if self.known[message_id] == digest:
                return
            message_id = f"{message_id} with other bytes"
        self.known[message_id] = digest
        line = {"id": message_id, "sha256": digest, "queue": queue[1].decode() if queue else "", "at": time.time()}
        self._file.write(json.dumps(line).encode() + b"\n")
        os.fsync(self._file.fileno())
        if b"report-type=delivery-status" in head:
            (self.folder / f"returned-{time.time_ns()}.eml").write_bytes(mail)

    def mood(self, command: str) -> bytes:
        try:
            wanted, _space, reply = (self.folder / "mood").read_text().strip().partition(" ")
        except OSError:
            return b""
        return reply.encode() + b"\r\n" if wanted == command else b""


class Relay(asyncio.Protocol):
    """One session. Pipelined commands (RFC 2920) are answered in one write."""

    def __init__(self, journal: Journal, idle: float) -> None:
        self._journal, self._idle = journal, idle
        self._buffer, self._in_data = bytearray(), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.call_later(self._idle, self._transport.abort)
        self._transport.write(b"220 sink.example.org ESMTP\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self._end.cancel()

    def data_received(self, data: bytes) -> None:
        self._end.cancel()
        self._end = self._loop.call_later(self._idle, self._transport.abort)
        self._buffer += data
        replies = bytearray()
        while (end := self._buffer.find(_END if self._in_data else b"\r\n")) >= 0:
            if self._in_data:
                mail = bytes(self._buffer[2:end]).replace(b"\r\n..", b"\r\n.")
                del self._buffer[: end + len(_END)]
                self._in_data = False
                replies += self._take(mail)
                continue
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            replies += self._answer(line.upper())
        if replies:
            self._transport.write(bytes(replies))

    def _take(self, mail: bytes) -> bytes:
        refusal = self._journal.mood("data")
        if not refusal:
            self._journal.take(mail)
        return refusal or b"250 2.0.0 taken\r\n"

    def _answer(self, line: bytes) -> bytes:
        if line.startswith(b"EHLO"):
            return b"250-sink.example.org\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"
        if line.startswith(b"RCPT"):
            address = line.partition(b"<")[2].partition(b">")[0]
            refusal = next((reply % address.lower() for name, reply in REFUSED.items() if address.startswith(name)), b"")
            return refusal or self._journal.mood("rcpt") or b"250 2.1.5 ok\r\n"
        if line == b"DATA":
            # A mail may be empty: its end is looked for from the line break before it.
            self._in_data = True
            self._buffer[:0] = b"\r\n"
            return b"354 go on\r\n"
        if line == b"QUIT":
            self._loop.call_soon(self._transport.close)
            return b"221 2.0.0 bye\r\n"
        return b"250 2.0.0 ok\r\n"


async def serve(port: int, folder: Path, idle: float, *, once: bool) -> None:
    journal = Journal(folder, once)
    server = await asyncio.get_running_loop().create_server(lambda: Relay(journal, idle), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    _port, _folder, _idle, _kind = sys.argv[1:]
    asyncio.run(serve(int(_port), Path(_folder), float(_idle), once=_kind == "once"))
