"""A small DNS server over a zone file, for the demo and the tests: `python -m portal.running.nameserver <zone file> <port>`.

It answers A, AAAA, MX and TXT (RFC 1035) for the names in the file and NXDOMAIN for all others; it asks nobody else.
"""

import contextlib
import fcntl
import json
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TYPES = ("A", "AAAA", "MX", "TXT")
TTL = 1
UDP_BYTES = 1232
TXT_BYTES = 255

Records = dict[str, dict[str, list[str]]]


class Zone:
    """The zone file, JSON: `{"bank.example.com.": {"TXT": ["value"], "MX": ["10 mail.example.com."]}}`. Read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._records: Records = {}

    def add(self, name: str, kind: str, value: str) -> None:
        """Add one value. Raises ValueError where name, type or value are not such."""
        _rdata(kind, value)
        with self._changing() as records:
            values = records.setdefault(_key(name), {}).setdefault(kind, [])
            if value not in values:
                values.append(value)

    def remove(self, name: str) -> None:
        with self._changing() as records:
            records.pop(_key(name), None)

    def records(self) -> Records:
        try:
            state = self.path.stat()
            if self._seen != (state.st_mtime_ns, state.st_ino):
                self._records = json.loads(self.path.read_bytes())
                self._seen = (state.st_mtime_ns, state.st_ino)
        except FileNotFoundError:
            self._records, self._seen = {}, None
        return self._records

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Records]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            records = json.loads(self.path.read_bytes()) if self.path.exists() else {}
            yield records
            draft = self.path.with_suffix(".draft")
            draft.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")
            draft.rename(self.path)


def _key(name: str) -> str:
    try:
        return str(dns.name.from_text(name).canonicalize())
    except dns.exception.DNSException as error:
        raise ValueError(f"{name} is not a domain name") from error


def _rdata(kind: str, value: str) -> dns.rdata.Rdata:
    if kind not in TYPES:
        raise ValueError(f"{kind} is not one of {', '.join(TYPES)}")
    text = value
    if kind == "TXT":
        data = value.encode()
        parts = [data[at : at + TXT_BYTES] for at in range(0, len(data), TXT_BYTES)] or [b""]
        text = " ".join('"' + "".join(f"\\{byte:03d}" for byte in part) + '"' for part in parts)
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text)
    except dns.exception.DNSException as error:
        raise ValueError(f"{value} is not a value of a {kind} record") from error


def answer(query: dns.message.Message, zone: Zone) -> dns.message.Message:
    """The response to one query: the values, an empty answer for a name without that type, NXDOMAIN for an unknown name."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response
    question = query.question[0]
    key = str(question.name.canonicalize())
    records = zone.records()
    kind = dns.rdatatype.to_text(question.rdtype)
    values = records.get(key, {}).get(kind, [])
    if values:
        response.answer.append(dns.rrset.from_rdata_list(question.name, TTL, [_rdata(kind, value) for value in values]))
    elif not any(name == key or name.endswith(f".{key}") for name in records):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def _respond(wire: bytes, zone: Zone, limit: int) -> bytes | None:
    try:
        query = dns.message.from_wire(wire)
        return bytes(answer(query, zone).to_wire(max_size=limit))
    except dns.exception.TooBig:
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC
        return bytes(short.to_wire())
    except (dns.exception.DNSException, ValueError):
        # What is no query gets no answer.
        return None


class NameServer:
    """The server on threads of its own, on the loopback address, UDP and TCP on one port; a context manager."""

    def __init__(self, zone: Zone, port: int = 0) -> None:
        self.zone = zone
        for _ in range(20):
            self._udp = _Udp(("127.0.0.1", port), _UdpHandler)
            self.port = int(self._udp.server_address[1])
            try:
                self._tcp = _Tcp(("127.0.0.1", self.port), _TcpHandler)
            except OSError:
                # The free UDP port is a taken TCP port: another one, unless the caller named it.
                self._udp.server_close()
                if port:
                    raise
            else:
                break
        self._udp.zone = self._tcp.zone = zone

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    zone: Zone


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    zone: Zone


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        wire, connection = self.request
        reply = _respond(wire, self.server.zone, UDP_BYTES)
        if reply:
            connection.sendto(reply, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    server: _Tcp
    timeout = 5

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error, socket.timeout):
            (length,) = struct.unpack("!H", self.rfile.read(2))
            reply = _respond(self.rfile.read(length), self.server.zone, 65535)
            if reply:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)


def main(arguments: list[str]) -> None:
    with NameServer(Zone(Path(arguments[0])), int(arguments[1])):
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
