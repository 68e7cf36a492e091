"""An SMTP server that keeps every mail as it was received, for the demo and the tests: `python -m portal.running.inbox <folder> <port>`."""

import asyncio
import os
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from portal.running.received import Inbox

# The API takes 10 MB a message; base64, sealed and encoded again, it grows by up to 5/6.
LARGEST = 32 * 1024 * 1024
# Shorter than an outbox lease, so that a worker that was thought dead cannot hand over twice.
IDLE_SECONDS = 20


@dataclass
class Mailroom:
    """aiosmtpd's handler. `refusals` answers a recipient, `verdicts` the data of the next mails, with a reply of the caller's."""

    inbox: Inbox
    refusals: dict[str, str] = field(default_factory=dict)
    verdicts: list[str] = field(default_factory=list)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.verdicts:
            return self.verdicts.pop(0)
        content = envelope.original_content or b""
        name = self.inbox.keep(envelope.mail_from or "", list(envelope.rcpt_tos), content, at=datetime.now(UTC)).name
        return f"250 kept as {name}"


async def listen(room: Mailroom, port: int) -> asyncio.Server:
    """Listen on `port` of the loopback address, on a free one if it is 0."""
    room.inbox.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()

    def connection() -> SMTP:
        return SMTP(room, hostname="inbox.example.org", data_size_limit=LARGEST, timeout=IDLE_SECONDS, enable_SMTPUTF8=True, loop=loop)

    return await loop.create_server(connection, "127.0.0.1", port)


class InboxServer:
    """The server on a thread of its own; a context manager."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.inbox = Inbox(folder)
        self.room = Mailroom(self.inbox)
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(listen(self.room, self.port), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


async def serve(folder: Path, port: int) -> None:
    """Serve until the process is ended."""
    async with await listen(Mailroom(Inbox(folder)), port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
