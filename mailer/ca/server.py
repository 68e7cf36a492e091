"""The signer process: the only one that opens CA keys. It listens on a Unix socket for ids and reads everything else itself."""

import base64
import contextlib
import ctypes
import fcntl
import logging
import os
import resource
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from mailer.ca import protocol
from mailer.ca.authorities import OpenAuthority, open_authority
from mailer.ca.certifying import ACTOR, certify
from mailer.ca.errors import AuthorityError, SignerUnavailableError
from mailer.ca.revocation_lists import publish_revocation_list
from mailer.ca.throttle import Throttle
from mailer.custody import CustodyError

IDLE_SECONDS = 300
_PR_SET_DUMPABLE = 4
_PEER = struct.Struct("3i")
_log = logging.getLogger(__name__)


class AnotherSignerError(Exception):
    """The socket is in use by a signer that runs."""


class Signer:
    """Answers requests. CA keys are opened at their first use and stay in this process's memory."""

    def __init__(self, kek: bytes, throttle: Throttle) -> None:
        self._kek = kek
        self._throttle = throttle
        self._open: dict[str, OpenAuthority] = {}
        # One signature at a time: the budget is counted so, and a second thread would not make it faster.
        self._lock = threading.Lock()

    def answer(self, line: bytes) -> bytes:
        """The reply line to a request line. Never raises for a bad request."""
        try:
            request = protocol.read_request(line)
            if isinstance(request, protocol.PingRequest):
                return protocol.write_result()
            self._throttle.spend()
            with self._lock:
                return self._sign(request)
        except AuthorityError as error:
            _log.warning("%s: %s", error.code, error)
            return protocol.write_error(error)
        except (CustodyError, DatabaseError) as error:
            _log.exception("the request failed")
            return protocol.write_error(SignerUnavailableError(type(error).__name__))

    def _sign(self, request: protocol.IssueRequest | protocol.RevocationListRequest) -> bytes:
        at = timezone.now()
        if isinstance(request, protocol.IssueRequest):
            der = certify(request.issuance, open_by_name=self._authority, at=at)
            return protocol.write_result(certificate=base64.b64encode(der).decode())
        stored = publish_revocation_list(request.shard, self._authority(request.authority), actor=ACTOR, at=at)
        return protocol.write_result(list=base64.b64encode(stored.der).decode())

    def _authority(self, slug: str) -> OpenAuthority:
        if slug not in self._open:
            self._open[slug] = open_authority(slug, kek=self._kek)
        return self._open[slug]


class _Connection(socketserver.StreamRequestHandler):
    """One client; requests follow each other on the same connection, and so do the uses of this thread's database connection."""

    timeout = IDLE_SECONDS

    def __init__(self, signer: Signer, request: socket.socket, address: object, server: socketserver.BaseServer) -> None:
        self._signer = signer
        super().__init__(request, address, server)

    def handle(self) -> None:
        if not _is_ours(self.connection):
            _log.error("refused a connection of another user")
            return
        try:
            while line := self.rfile.readline(protocol.MOST_REQUEST_BYTES + 1):
                if not line.endswith(b"\n"):
                    return
                close_old_connections()
                self.wfile.write(self._signer.answer(line))
        except (TimeoutError, ConnectionError):
            return
        finally:
            connections.close_all()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


@contextlib.contextmanager
def listening(path: Path, signer: Signer) -> Iterator[socketserver.BaseServer]:
    """The server on a socket that only this user may open (0600). Raises AnotherSignerError."""
    with _alone(path):
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server = _Server(str(path), partial(_Connection, signer))
        finally:
            os.umask(before)
        with server:
            try:
                yield server
            finally:
                path.unlink(missing_ok=True)


def keep_memory_private() -> None:
    """No core file holds a CA key, and no other process of this user reads this one's memory or environment."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AnotherSignerError(f"another signer listens on {path}") from error
    try:
        yield
    finally:
        os.close(lock)


def _is_ours(connection: socket.socket) -> bool:
    """The file's mode keeps others out; this holds also where somebody loosened it."""
    _pid, user, _group = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return user in {os.geteuid(), 0}
