"""The workers' end of the signer's socket."""

import base64
import binascii
import socket
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from mailer.ca.errors import SignerDroppedError, SignerUnavailableError
from mailer.ca.protocol import MOST_REPLY_BYTES, IssueRequest, PingRequest, Request, RevocationListRequest, read_reply, write_request
from mailer.ca.shards import Shard

# Longer than the linter takes on a loaded machine, shorter than the lease of a ledger row.
SECONDS = 30.0


class SignerClient:
    """One connection, opened at the first request and kept for the next. Use it in a `with`."""

    def __init__(self, path: Path, *, seconds: float = SECONDS) -> None:
        self._path = path
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def issue(self, issuance: UUID) -> bytes:
        """The certificate (DER) of a ledger row. Raises SignerUnavailableError or the AuthorityError that the signer names."""
        return self._bytes(IssueRequest(issuance), "certificate")

    def revocation_list(self, shard: Shard) -> bytes:
        """A new CRL (DER) of a shard, already stored. Raises as `issue`."""
        return self._bytes(RevocationListRequest(shard.authority, shard.number), "list")

    def ping(self) -> None:
        """Raises SignerUnavailableError unless the signer answers."""
        self._ask(PingRequest())

    def _bytes(self, request: Request, name: str) -> bytes:
        try:
            return base64.b64decode(self._ask(request)[name], validate=True)
        except (KeyError, binascii.Error) as error:
            raise SignerUnavailableError("the signer's reply is not complete") from error

    def _ask(self, request: Request) -> dict[str, str]:
        try:
            if self._socket is None:
                self._socket = self._connect()
        except OSError as error:
            raise SignerUnavailableError(f"the signer cannot be reached: {error}") from error
        try:
            self._socket.sendall(write_request(request))
            line = self._line(self._socket)
        except OSError as error:
            self.close()
            raise SignerDroppedError(f"the signer did not reply: {error}") from error
        return read_reply(line)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._seconds)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection

    def _line(self, connection: socket.socket) -> bytes:
        received = [self._rest]
        size = len(self._rest)
        while b"\n" not in received[-1]:
            part = connection.recv(65536)
            size += len(part)
            if not part or size > MOST_REPLY_BYTES:
                raise ConnectionError("the reply ended early, or has no end")
            received.append(part)
        line, _newline, self._rest = b"".join(received).partition(b"\n")
        return line
