"""The intake on real sockets, on a thread of its own."""

import asyncio
import threading
from pathlib import Path
from typing import Self

from mailer.intake.binding import Binding
from mailer.intake.server import Mailroom, Take, listen

DOMAIN = "in.portal.example.org"


class Intake:
    """SMTP on a free port, LMTP on a Unix socket; a context manager."""

    def __init__(self, take: Take, socket: Path) -> None:
        self.room = Mailroom(DOMAIN, take)
        self.socket = socket
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._servers = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._servers[0].sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.room.close()

    async def _listen(self) -> list[asyncio.Server]:
        return [await listen(self.room, Binding("127.0.0.1", 0), lmtp=False), await listen(self.room, Binding(path=str(self.socket)), lmtp=True)]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
