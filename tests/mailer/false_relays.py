"""A relay that answers as a test wants it to, on a real socket: refusing, silent, hanging up at any point, or talking nonsense."""

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

# What to say to a line; None hangs up, nothing stays silent.
Answer = Callable[[str], bytes | None]
GREETING, END = "greeting", "end"
USUAL = {GREETING: b"220 false.example.org\r\n", "DATA": b"354 go on\r\n", END: b"250 taken\r\n", "QUIT": b"221 bye\r\n"}


def say(*replies: bytes | None) -> Answer:
    """These in turn over all sessions, the last for ever."""
    left = list(replies)
    lock = threading.Lock()

    def answer(_line: str) -> bytes | None:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


@dataclass
class FalseRelay:
    """`answers` by verb (`greeting`, `EHLO`, `MAIL`, ..., `end` for the mail's end), else the usual ones; `extensions` as EHLO tells them.

    `heard` has the lines of each session, `mails` what was answered 250, dot-stuffing undone.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME")
    # A server context: STARTTLS is offered until it is used, or spoken from the beginning.
    tls: ssl.SSLContext | None = None
    is_tls: bool = False
    hidden_extensions: tuple[str, ...] = ("PIPELINING",)
    # Hang up after so many octets of a mail.
    cut_after: int | None = None
    # Say the reply to a mail's end octet by octet, with such a pause before each.
    drip_seconds: float = 0.0
    heard: list[list[str]] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        return [line for session in self.heard for line in session]

    def answer(self, verb: str, line: str, *, hidden: bool) -> bytes | None:
        if verb in self.answers:
            return self.answers[verb](line)
        if verb == "EHLO":
            offered = self.hidden_extensions if hidden else (*self.extensions, *(("STARTTLS",) if self.tls else ()))
            said = ["false.example.org", *offered]
            return "".join(f"250{'-' if number < len(said) else ' '}{word}\r\n" for number, word in enumerate(said, 1)).encode()
        return USUAL.get(verb, b"250 ok\r\n")


@contextmanager
def running(relay: FalseRelay) -> Iterator[FalseRelay]:
    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            line = self.request
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                if relay.is_tls and relay.tls:
                    line = relay.tls.wrap_socket(line, server_side=True)
                _talk(relay, line)
            with suppress(OSError):
                line.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 50

    with Server(("127.0.0.1", 0), Session) as server:
        relay.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()


def _talk(relay: FalseRelay, line: socket.socket, *, hidden: bool = False) -> None:
    heard: list[str] = []
    relay.heard.append(heard)
    if not hidden and not _put(line, relay.answer(GREETING, "", hidden=hidden)):
        return
    with line.makefile("rb") as stream:
        for raw in stream:
            said = raw.decode(errors="replace").rstrip("\r\n")
            heard.append(said)
            verb = said[:4].upper().strip()
            if verb == "STAR" and relay.tls:
                line.sendall(b"220 go\r\n")
                with relay.tls.wrap_socket(line, server_side=True) as hidden_line:
                    _talk(relay, hidden_line, hidden=True)
                return
            reply = relay.answer(verb, said, hidden=hidden)
            if not _put(line, reply):
                return
            if verb == "DATA" and reply and reply.startswith(b"354") and not _take(relay, line, stream):
                return
            if verb == "QUIT":
                return


def _take(relay: FalseRelay, line: socket.socket, stream: BinaryIO) -> bool:
    """A mail and the answer to its end; false where the session ends with it."""
    if relay.cut_after is not None:
        stream.read(relay.cut_after)
        return False
    mail, reply = _mail(stream), relay.answer(END, "", hidden=False)
    if mail is not None and reply and reply.startswith(b"250"):
        relay.mails.append(mail)
    if relay.drip_seconds:
        for octet in reply or b"":
            time.sleep(relay.drip_seconds)
            line.sendall(bytes((octet,)))
        return False
    return mail is not None and _put(line, reply)


def _put(line: socket.socket, reply: bytes | None) -> bool:
    if reply:
        line.sendall(reply)
    return reply is not None


def _mail(stream: BinaryIO) -> bytes | None:
    lines: list[bytes] = []
    for raw in stream:
        if raw == b".\r\n":
            return b"".join(lines)
        lines.append(raw.removeprefix(b"."))
    return None
