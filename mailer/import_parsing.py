"""Entries of a file parsed and put before the gate. Runs in processes of its own, without Django."""

import copyreg
import resource
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from directory.x509.certificate import Identity, Key, ParsedCertificate, parse_certificate
from directory.x509.errors import MalformedAddressError, WrongAddressError, X509Error
from directory.x509.gate import objections
from directory.x509.names import EmailAddress
from mailer.import_files import FileEntry, Unreadable

MOST_MEMORY = 1024 * 1024 * 1024


def _by_fields(value: Any) -> tuple[type, tuple[Any, ...]]:
    return type(value), tuple(getattr(value, name) for name in value.__slots__)


# On the way back a frozen dataclass with slots would be filled through its own slow way of being copied.
for _kind in (EmailAddress, Identity, Key):
    copyreg.pickle(_kind, _by_fields)


class Acceptable(NamedTuple):
    """A certificate that has passed the gate, and the addresses of the file that it names, or all its own."""

    line: int
    parsed: ParsedCertificate
    addresses: tuple[EmailAddress, ...]


def limit_memory() -> None:
    """What a process that parses starts with."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def serve(connection: "Connection[Any, Any]") -> None:
    """What a process that parses does: a batch in, what was made of it out, until the other end is closed."""
    limit_memory()
    while True:
        try:
            entries, at = connection.recv()
        except EOFError:
            return
        connection.send(parse_entries(entries, at))


def parse_entries(entries: Sequence[FileEntry | Unreadable], at: datetime) -> list[Acceptable | Unreadable]:
    """Each entry as what may be published of it at this moment, or why nothing may; in their order."""
    found = [_parse(entry) for entry in entries]
    acceptable = [entry for entry in found if isinstance(entry, Acceptable)]
    refused = {id(entry): error for entry, error in zip(acceptable, objections([entry.parsed for entry in acceptable], at=at), strict=True) if error}
    return [Unreadable(entry.line, refused[id(entry)]) if id(entry) in refused else entry for entry in found]


def _parse(entry: FileEntry | Unreadable) -> Acceptable | Unreadable:
    if isinstance(entry, Unreadable):
        return entry
    try:
        parsed = parse_certificate(entry.der)
        _ = parsed.fingerprint  # reckoned here, and taken along
        return Acceptable(entry.line, parsed, parsed.addresses if entry.addresses is None else _named(parsed, entry.addresses))
    except X509Error as error:
        return Unreadable(entry.line, error)


def _named(parsed: ParsedCertificate, texts: Sequence[str]) -> tuple[EmailAddress, ...]:
    """The file's addresses that the certificate has too: what a file says of other people's addresses counts for nothing."""
    given: dict[str, EmailAddress] = {}
    for text in texts:
        try:
            address = EmailAddress.parse(text)
        except MalformedAddressError:
            continue
        given.setdefault(address.match, address)
    if not given:
        raise MalformedAddressError("The entry has no address that the directory takes.")
    own = {address.match for address in parsed.addresses}
    named = tuple(address for match, address in given.items() if match in own)
    if own and not named:
        raise WrongAddressError("The certificate names other addresses, not this one.")
    return named
