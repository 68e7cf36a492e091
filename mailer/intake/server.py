"""SMTP (RFC 5321) and LMTP (RFC 2033) for the house's own mailboxes. An answer of 250 comes only once the mail's effect is stored.

It stands behind the operator's mail server, which has the name, the certificate and the spam filter; it relays nothing and offers no login.
Mail is read on threads, never on the event loop. Limits: of sessions at once in all and for each peer, of a session's time and octets, of
commands in it, of a mail's size, and of mails that wait for a thread.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer.contributed import MOST_OCTETS
from mailer.intake.binding import Binding
from mailer.intake.routing import Destination, destination

logger = logging.getLogger(__name__)
# It logs recipients at INFO and whole lines at DEBUG.
logging.getLogger("mail.log").setLevel(logging.WARNING)

THREADS = 4
MOST_WAITING = 32
MOST_SESSIONS, MOST_SESSIONS_OF_PEER = 20, 10
# For a command, of which DATA is one with all its lines; and for a session.
COMMAND_SECONDS, SESSION_SECONDS = 120, 900
MOST_SESSION_OCTETS = 8 * MOST_OCTETS
MOST_COMMANDS = 100
MOST_LMTP_RECIPIENTS = 10

# What becomes of one mail for one of our addresses, as a reply with its enhanced status code. Blocks; raises nothing.
Take = Callable[[Destination, bytes], str]


class Mailroom:
    """aiosmtpd's handler, for both protocols."""

    def __init__(self, domain: str, take: Take) -> None:
        self.domain = domain
        self._take = take
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
        self._waiting = 0
        self.sessions: Counter[str] = Counter()

    def close(self) -> None:
        """Wait for what is being read."""
        self._pool.shutdown(wait=True)

    async def handle_RCPT(self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if destination(address, self.domain) is None:
            return "550 5.1.1 No such address here"
        # SMTP has one answer for all recipients, so there is one recipient; a client sends the mail again for the next (RFC 5321 section 4.5.3.1.10).
        if len(envelope.rcpt_tos) >= (MOST_LMTP_RECIPIENTS if isinstance(server, LMTP) else 1):
            return "452 4.5.3 Too many recipients at once"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        content = envelope.original_content or b""
        return "\r\n".join([await self._answer(address, content) for address in envelope.rcpt_tos])

    async def handle_exception(self, error: Exception) -> str:
        """What nobody foresaw is ours, and its text is not for strangers."""
        logger.error("an intake session ended in %s", type(error).__name__)
        return "421 4.3.0 The fault is ours; please try again later"

    async def _answer(self, address: str, content: bytes) -> str:
        found = destination(address, self.domain)
        if found is None:
            raise RuntimeError("a recipient was let in that is none of ours")
        if self._waiting >= MOST_WAITING:
            return "451 4.3.2 Too much to read just now; please try again later"
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._take, found, content)
        finally:
            self._waiting -= 1


class _Limited(SMTP):
    """One session, under the limits that aiosmtpd has not."""

    _received = 0
    _counted = ""
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        room: Mailroom = self.event_handler
        name = transport.get_extra_info("peername")
        peer = str(name[0]) if name else ""
        if room.sessions.total() >= MOST_SESSIONS or (peer and room.sessions[peer] >= MOST_SESSIONS_OF_PEER):
            transport.write(b"421 4.3.2 Too many sessions; please try again later\r\n")
            transport.close()
            return
        self._counted = peer or "local"
        room.sessions[self._counted] += 1
        self._end = self.loop.call_later(SESSION_SECONDS, transport.close)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._counted:
            return
        self._received += len(data)
        if self._received > MOST_SESSION_OCTETS and self.transport is not None:
            # An endless line would be kept whole.
            self.transport.close()
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self._counted else False

    def connection_lost(self, error: Exception | None) -> None:
        if not self._counted:
            return
        if self._end is not None:
            self._end.cancel()
        room: Mailroom = self.event_handler
        room.sessions[self._counted] -= 1
        super().connection_lost(error)


class _Smtp(_Limited):
    pass


class _Lmtp(_Limited, LMTP):
    pass


async def listen(room: Mailroom, binding: Binding, *, lmtp: bool) -> asyncio.Server:
    """Listen until the server is closed. Raises OSError."""
    loop = asyncio.get_running_loop()
    kind = _Lmtp if lmtp else _Smtp

    def session() -> SMTP:
        return kind(
            room,
            data_size_limit=MOST_OCTETS,
            enable_SMTPUTF8=True,
            hostname=room.domain,
            ident="Letterlock",
            timeout=COMMAND_SECONDS,
            command_call_limit=MOST_COMMANDS,
            loop=loop,
        )

    if binding.path:
        return await loop.create_unix_server(session, binding.path)
    return await loop.create_server(session, binding.host, binding.port)


async def serve(room: Mailroom, bindings: Sequence[tuple[Binding, bool]], stop: asyncio.Event) -> None:
    """Serve on each binding, LMTP where it says so, until `stop`; then wait for what is being read. Raises OSError."""
    servers = [await listen(room, binding, lmtp=lmtp) for binding, lmtp in bindings]
    await stop.wait()
    for server in servers:
        server.close()
    await asyncio.get_running_loop().run_in_executor(None, room.close)
