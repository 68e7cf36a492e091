"""One file over http or https from an address that the operator named, and from nowhere inside the operator's own network.

1. The name is resolved once. Unless private sources are allowed, each of its addresses must be a public one.
2. The connection goes to an address that was checked, so that a name that changes in between (DNS rebinding) leads nowhere else.
3. No redirect is followed, no proxy asked, no more read than `most` octets, and all ends when its time is over.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

MOST_OCTETS = 20 * 1024 * 1024
SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_MOST_ADDRESSES = 8
_CHUNK = 64 * 1024
# IPv6 ranges in which an IPv4 address stands that a gateway would lead to: NAT64 (RFC 6052, RFC 8215), 6to4 and Teredo.
_TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchError(Exception):
    """Nothing was fetched; the text says why, for the operator."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet: not of this machine, this network, a cloud's metadata, or a group's."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local)


def addresses_of(host: str) -> list[str]:
    """The addresses of a name, as the system resolves it; none where it has none."""
    try:
        return [str(place[0]) for *_, place in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def fetch(url: str, *, private: bool, resolve: Callable[[str], list[str]] = addresses_of, most: int = MOST_OCTETS, seconds: float = SECONDS) -> bytes:
    """What is at an http or https address; `private` lets it be one inside. Raises FetchError."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise FetchError("the address has no port that can be") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise FetchError("only http and https addresses are fetched")
    # Step 1.
    addresses = [ipaddress.ip_address(found.partition("%")[0]) for found in dict.fromkeys(resolve(parts.hostname))][:_MOST_ADDRESSES]
    if not addresses:
        raise FetchError(f"{parts.hostname} has no address")
    if not private and not all(map(is_public, addresses)):
        raise FetchError(f"{parts.hostname} has an address that is not public")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _Connection(parts.hostname, port, addresses, encrypted=parts.scheme == "https", until=time.monotonic() + seconds) as connection:
        return connection.get(path, most)


class _Connection:
    """Steps 2 and 3: one request on one connection, ended from another thread when its time is over."""

    def __init__(self, host: str, port: int, addresses: Sequence[Address], *, encrypted: bool, until: float) -> None:
        self._host, self._port, self._addresses, self._encrypted, self._until = host, port, addresses, encrypted, until
        self._late = False

    def __enter__(self) -> Self:
        self._socket = self._connected()
        self._clock = threading.Timer(max(0.0, self._until - time.monotonic()), self._end)
        self._clock.daemon = True
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._clock.cancel()
        self._socket.close()

    def get(self, path: str, most: int) -> bytes:
        try:
            return self._get(path, most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._late:
                raise FetchError("it took too long") from error
            raise FetchError(f"the connection failed: {type(error).__name__}") from error

    def _get(self, path: str, most: int) -> bytes:
        if self._encrypted:
            # Shaken hands with only once it is the socket that the clock ends.
            self._socket = encrypted = ssl.create_default_context().wrap_socket(
                self._socket, server_hostname=self._host, do_handshake_on_connect=False
            )
            encrypted.do_handshake()
        client = http.client.HTTPConnection(self._host, self._port)
        client.sock = self._socket
        with closing(client):
            client.request("GET", path, headers={"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Letterlock"})
            with client.getresponse() as answer:
                octets = _body(answer, most)
        if self._late:
            raise FetchError("it took too long")
        return octets

    def _connected(self) -> socket.socket:
        for address in self._addresses:
            left = self._until - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((str(address), self._port), timeout=min(_CONNECT_SECONDS, left))
            except OSError:
                continue
        raise FetchError(f"{self._host} does not take a connection")

    def _end(self) -> None:
        self._late = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._socket.close()


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise FetchError(f"it answers {answer.status}" + (", and redirects are not followed" if 300 <= answer.status < 400 else ""))  # noqa: PLR2004
    if answer.getheader("Content-Encoding", "identity") != "identity":
        raise FetchError("it is compressed, which was not asked for")
    octets = bytearray()
    while part := answer.read(min(_CHUNK, most + 1 - len(octets))):
        octets += part
        if len(octets) > most:
            raise FetchError(f"it has more than {most} octets")
    # A read of a part does not tell that the connection ended too early.
    if answer.length:
        raise FetchError("it was cut short")
    return bytes(octets)
