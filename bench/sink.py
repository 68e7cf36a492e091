"""An SMTP server that takes everything and keeps nothing: Postfix's smtp-sink, or where it cannot be had `python -m bench.sink PORT`."""

import asyncio
import os
import shutil
import sys
from typing import cast

from portal.running import bootstrap

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def command(port: int) -> tuple[str, list[str]]:
    """The program and its arguments. As root, Postfix is installed if it is not there."""
    found = shutil.which("smtp-sink", path=_PATH)
    if found is None and bootstrap.may_install():
        bootstrap.install_from_apt(["postfix"])
        found = shutil.which("smtp-sink", path=_PATH)
    if found is None:
        print("  the sink is our own, in Python: smtp-sink needs `apt-get install postfix`", flush=True)
        return sys.executable, ["-m", "bench.sink", str(port)]
    return found, [*(["-u", "nobody"] if os.getuid() == 0 else []), f"127.0.0.1:{port}", "100"]


_END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    """One session. Pipelined commands are answered in one write."""

    def __init__(self) -> None:
        self._buffer, self._in_data = bytearray(), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink.example.org ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = bytearray()
        while True:
            end = self._buffer.find(_END if self._in_data else b"\r\n")
            if end < 0:
                break
            if self._in_data:
                del self._buffer[: end + len(_END)]
                self._in_data = False
                replies += b"250 2.0.0 taken\r\n"
                continue
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            replies += self._answer(line.upper())
        if replies:
            self._transport.write(bytes(replies))

    def _answer(self, line: bytes) -> bytes:
        if line.startswith(b"EHLO"):
            return b"250-sink.example.org\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"
        if line == b"DATA":
            # A mail may be empty: the end is looked for from the line break before it.
            self._in_data = True
            self._buffer[:0] = b"\r\n"
            return b"354 go on\r\n"
        if line == b"QUIT":
            asyncio.get_running_loop().call_soon(self._transport.close)
            return b"221 2.0.0 bye\r\n"
        return b"250 2.0.0 ok\r\n"


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
