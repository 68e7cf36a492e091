"""Opening a session: (1) connect, (2) greeting, (3) EHLO, (4) STARTTLS and EHLO again (RFC 3207), (5) AUTH (RFC 4954), all by one deadline."""

import base64
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .connection import Connection
from .errors import BrokenError, UnreachableError

_GO_ON = 334


class Tls(StrEnum):
    """Whether mail may go to a relay that does not prove its name: with `AUTO` only where that is this machine."""

    AUTO = "auto"
    OPPORTUNISTIC = "opportunistic"
    VERIFIED = "verified"


@dataclass(frozen=True)
class Relay:
    """Where mail is handed over. `seconds` is the longest wait for one reply; `own_name` is said in EHLO."""

    host: str
    port: int
    own_name: str
    seconds: float
    is_tls: bool = False
    tls: Tls = Tls.AUTO
    username: str = ""
    password: str = field(default="", repr=False)


def open_session(relay: Relay) -> Connection:
    """A session that is ready for MAIL, within twice `relay.seconds`. Raises UnreachableError."""
    deadline = time.monotonic() + 2 * relay.seconds
    # (1) The only wait that the system counts: per address that the name has.
    try:
        line = socket.create_connection((relay.host, relay.port), timeout=relay.seconds)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise UnreachableError(f"no connection: {type(error).__name__}") from error
    connection = Connection(line)
    try:
        _introduce(connection, relay, deadline)
    except BrokenError as error:
        connection.close()
        raise UnreachableError(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _introduce(connection: Connection, relay: Relay, deadline: float) -> None:
    def by() -> float:
        return min(deadline, time.monotonic() + relay.seconds)

    if relay.is_tls:
        connection.hide(_context(is_proven=True), relay.host, by())
    # (2) A relay that is too busy says so at once.
    greeting = connection.wait(by())
    if not greeting.accepted:
        raise BrokenError(str(greeting))
    # (3) What it can, in clear.
    _hello(connection, relay, by())
    # (4) A password never goes over an open line, nor does anything where proof is asked for.
    is_here = _is_loopback(relay.host)
    must_prove = relay.tls is Tls.VERIFIED or (relay.tls is Tls.AUTO and not is_here)
    must_hide = bool(relay.username) or must_prove
    if not relay.is_tls and (must_hide or "STARTTLS" in connection.extensions):
        if "STARTTLS" not in connection.extensions:
            raise BrokenError("the relay offers no STARTTLS")
        reply = connection.ask(b"STARTTLS", by())
        if not reply.accepted:
            raise BrokenError(str(reply))
        is_proven = must_prove or (bool(relay.username) and not is_here)
        connection.hide(_context(is_proven=is_proven), relay.host, by())
        _hello(connection, relay, by())
    # (5) Under TLS alone.
    if relay.username:
        _log_in(connection, relay, by)


def _hello(connection: Connection, relay: Relay, deadline: float) -> None:
    reply = connection.ask(b"EHLO " + relay.own_name.encode("ascii", "replace"), deadline)
    connection.extensions = {}
    if not reply.accepted:
        # RFC 5321 section 3.2: a relay that knows no extensions.
        reply = connection.ask(b"HELO " + relay.own_name.encode("ascii", "replace"), deadline)
        if not reply.accepted:
            raise BrokenError(str(reply))
        return
    for line in connection.reply_lines()[1:]:
        word, _blank, parameters = line.partition(" ")
        connection.extensions[word.upper()] = parameters


def _log_in(connection: Connection, relay: Relay, by: Callable[[], float]) -> None:
    ways = connection.extensions.get("AUTH", "").upper().split()
    user, password = (base64.b64encode(text.encode()) for text in (relay.username, relay.password))
    if "PLAIN" in ways:
        reply = connection.ask(b"AUTH PLAIN " + base64.b64encode(f"\0{relay.username}\0{relay.password}".encode()), by())
    elif "LOGIN" in ways:
        reply = connection.ask(b"AUTH LOGIN", by())
        for answer in (user, password):
            if reply.code == _GO_ON:
                reply = connection.ask(answer, by())
    else:
        raise BrokenError("the relay takes neither AUTH PLAIN nor LOGIN")
    if not reply.accepted:
        # A relay could repeat what it was told: only its code is told on.
        raise BrokenError(f"the relay does not take the password: {reply.code}")


def _context(*, is_proven: bool) -> ssl.SSLContext:
    """`is_proven` asks for a certificate of the relay's name; without, the line is hidden from who only listens (RFC 7435)."""
    context = ssl.create_default_context()
    if not is_proven:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
