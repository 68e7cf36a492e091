"""Files of certificates, read as a stream: PEM, LDIF (RFC 2849), CSV, and DER. Nothing in a file makes this read another or fetch anything.

Whatever a file holds, a line has at most 128 KB, and so has a value; a CSV row 256 KB; a record 20 addresses and 20 certificates.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pybase64

from directory.x509.certificate import MOST_OCTETS
from directory.x509.containers import MOST_UPLOAD_OCTETS, read_upload
from directory.x509.errors import (
    CertificateTooLargeError,
    MalformedUploadError,
    PrivateKeyInUploadError,
    TooManyCertificatesError,
    UploadError,
    X509Error,
)
from mailer.import_errors import EntryError, LongEntryError, RemoteValueError, UnknownFormatError, UnnamedAddressError

MOST_LINE = 128 * 1024
MOST_VALUES = 20
_MOST_BODY = 2 * MOST_LINE
# A certificate in PEM has some 350 lines at most.
_MOST_ROW_LINES = 3000
_MOST_ROW = 2 * MOST_LINE
HEAD = 4096


class FileEntry(NamedTuple):
    """One certificate, and the addresses that the file gives it; None where the file leaves that to the certificate."""

    line: int
    der: bytes
    addresses: tuple[str, ...] | None


class Unreadable(NamedTuple):
    """A place where there is no certificate, and why."""

    line: int
    error: X509Error


class Line(NamedTuple):
    """A line without its end; `cut` when there was more of it than is taken."""

    number: int
    text: bytes
    cut: bool


class Lines:
    """The lines of a stream. `octets` is how far it has been read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._number = 0
        self.octets = 0

    def __iter__(self) -> Iterator[Line]:
        while text := self._read():
            self._number += 1
            cut = len(text) == MOST_LINE and not text.endswith(b"\n")
            rest = text
            while cut and rest and not rest.endswith(b"\n"):
                rest = self._read()
            yield Line(self._number, text.rstrip(b"\r\n"), cut)

    def _read(self) -> bytes:
        text = self._stream.readline(MOST_LINE)
        self.octets += len(text)
        return text


def format_of(name: str, head: bytes) -> str:
    """`pem`, `ldif`, `csv` or `der`, by the first 4 KB and then by the name. Raises UnknownFormatError."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    if head[:1] == b"\x30":
        return "der"
    if re.search(rb"(?mi)^(?:dn|version):", head):
        return "ldif"
    if {"email", "certificate"} <= set(_columns(head.partition(b"\n")[0].decode("utf-8", "replace"))[1]):
        return "csv"
    if b"-----BEGIN " in head:
        return "pem"
    by_name = {".pem": "pem", ".crt": "pem", ".cer": "pem", ".ldif": "ldif", ".ldi": "ldif", ".csv": "csv"}.get(Path(name).suffix.lower())
    if by_name is None:
        raise UnknownFormatError(f"{name} is neither PEM nor LDIF nor CSV nor DER.")
    return by_name


def read_entries(stream: BinaryIO, lines: Lines, *, kind: str) -> Iterator[FileEntry | Unreadable]:
    """What a file of this format holds, in its order; `lines` are those of the stream, which may be asked meanwhile how far they are."""
    if kind == "der":
        return _read_der(stream)
    return {"pem": _read_pem, "ldif": _read_ldif, "csv": _read_csv}[kind](lines)


def _read_der(stream: BinaryIO) -> Iterator[FileEntry | Unreadable]:
    yield from _split(1, stream.read(MOST_UPLOAD_OCTETS + 1), None)


def _split(line: int, upload: bytes, addresses: tuple[str, ...] | None) -> Iterator[FileEntry | Unreadable]:
    """The certificates of something that may be more than a certificate."""
    try:
        for der in read_upload(upload):
            yield FileEntry(line, der, addresses)
    except UploadError as error:
        yield Unreadable(line, error)


_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----\s*\Z")
_PLAIN_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})


def _read_pem(lines: Lines) -> Iterator[FileEntry | Unreadable]:
    """RFC 7468. What stands between the blocks is passed over."""
    label, start, size, body = b"", 0, 0, [b""]
    for line in lines:
        if line.text[:11] == b"-----BEGIN " and (found := _BEGIN.match(line.text)):
            if label:
                yield Unreadable(start, MalformedUploadError("The PEM in the upload is damaged."))
            label, start, size, body = found[1], line.number, 0, []
        elif not label:
            continue
        elif line.text[:9] == b"-----END ":
            yield from _block(start, label, body)
            label = b""
        else:
            body.append(line.text)
            size += len(line.text) + 1
            if line.cut or size > _MOST_BODY:
                yield Unreadable(start, LongEntryError("The PEM block is too long."))
                label = b""
    if label:
        yield Unreadable(start, MalformedUploadError("The PEM in the upload is damaged."))


def _block(start: int, label: bytes, body: list[bytes]) -> Iterator[FileEntry | Unreadable]:
    if label.endswith(b"PRIVATE KEY"):
        yield Unreadable(start, PrivateKeyInUploadError("The file holds a private key."))
    elif label in _PLAIN_LABELS and b":" not in b"".join(body[:1]):
        yield _decoded(start, b"".join(body), None)
    else:
        yield from _split(start, b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, b"\n".join(body), label), None)


def _decoded(line: int, text: bytes, addresses: tuple[str, ...] | None) -> FileEntry | Unreadable:
    try:
        der = pybase64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return Unreadable(line, MalformedUploadError("The base64 in the upload is damaged."))
    if len(der) > MOST_OCTETS:
        return Unreadable(line, CertificateTooLargeError(f"A certificate has at most {MOST_OCTETS} octets."))
    return FileEntry(line, der, addresses)


_CERTIFICATE_ATTRIBUTES = frozenset({b"usercertificate", b"usersmimecertificate"})
_WANTED = _CERTIFICATE_ATTRIBUTES | {b"mail", b"changetype"}


@dataclass
class _Record:
    """One LDIF record under way: its addresses, its certificates with their lines, and what was wrong."""

    mails: list[str] = field(default_factory=list)
    certificates: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    faults: list[Unreadable] = field(default_factory=list)
    is_change: bool = False

    def entries(self) -> Iterator[FileEntry | Unreadable]:
        if self.is_change:
            if self.certificates:
                yield Unreadable(self.certificates[0][0], EntryError("Records that change or delete are not imported."))
            return
        yield from self.faults
        for line, attribute, value in self.certificates:
            if not self.mails:
                yield Unreadable(line, UnnamedAddressError("The record has a certificate and no mail."))
            elif attribute == b"usersmimecertificate":
                yield from _split(line, value, tuple(self.mails))
            else:
                yield FileEntry(line, value, tuple(self.mails))

    def refuse(self, line: int, error: X509Error) -> None:
        if len(self.faults) < MOST_VALUES:
            self.faults.append(Unreadable(line, error))


def _read_ldif(lines: Lines) -> Iterator[FileEntry | Unreadable]:
    """RFC 2849: folded lines, base64 with `::`; only entries, and of those only addresses and certificates."""
    record, start, size, value, cut = _Record(), 0, 0, [b""], False
    for line in lines:
        if line.text[:1] == b" ":
            if size and size <= MOST_LINE:
                value.append(line.text[1:])
                size += len(line.text)
            cut = cut or line.cut
            continue
        _take(record, start, b"".join(value), cut=cut or size > MOST_LINE)
        start, cut, size, value = line.number, line.cut, 0, [b""]
        if not line.text:
            yield from record.entries()
            record = _Record()
        elif _attribute(line.text) in _WANTED:
            value, size = [line.text], len(line.text)
    _take(record, start, b"".join(value), cut=cut or size > MOST_LINE)
    yield from record.entries()


def _attribute(text: bytes) -> bytes:
    """The attribute's name without its options, such as `;binary`."""
    return text[:80].partition(b":")[0].partition(b";")[0].strip().lower().removeprefix(b"\xef\xbb\xbf")


def _take(record: _Record, line: int, text: bytes, *, cut: bool) -> None:
    if not text:
        return
    attribute, (_name, _colon, rest) = _attribute(text), text.partition(b":")
    if cut:
        record.refuse(line, LongEntryError("The value is too long."))
    elif rest[:1] == b"<":
        record.refuse(line, RemoteValueError("The value is somewhere else, and nothing is fetched."))
    elif attribute == b"changetype":
        record.is_change = rest.strip().lower() != b"add"
    elif len(record.mails if attribute == b"mail" else record.certificates) >= MOST_VALUES:
        record.refuse(line, TooManyCertificatesError(f"A record has at most {MOST_VALUES} addresses and certificates."))
    else:
        _keep(record, line, attribute, rest)


def _keep(record: _Record, line: int, attribute: bytes, rest: bytes) -> None:
    encoded = rest[:1] == b":"
    try:
        value = pybase64.b64decode(b"".join(rest[1:].split()), validate=True) if encoded else rest.strip(b" ")
    except ValueError:
        record.refuse(line, MalformedUploadError("The base64 in the file is damaged."))
        return
    if attribute == b"mail":
        record.mails.append(value.decode("utf-8", "replace"))
    elif not encoded:
        record.refuse(line, MalformedUploadError("A certificate is not written as base64."))
    elif attribute == b"usercertificate" and len(value) > MOST_OCTETS:
        record.refuse(line, CertificateTooLargeError(f"A certificate has at most {MOST_OCTETS} octets."))
    else:
        record.certificates.append((line, attribute, value))


def _columns(header: str) -> tuple[str, list[str]]:
    """The separator and the names of the columns in lower case."""
    separator = ";" if ";" in header and "," not in header else ","
    return separator, [name.strip().strip('"').lower() for name in header.removeprefix("\ufeff").strip().split(separator)]


class _Rows:
    """Text for `csv.reader`, which stops where a row does not end."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.number = self.first = self._octets = 0
        self.over = False

    def begin_row(self) -> None:
        self.first = self.number + 1
        self._octets = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number = line.number
            self._octets += len(line.text)
            if line.cut or self._octets > _MOST_ROW or line.number - self.first > _MOST_ROW_LINES:
                raise LongEntryError("The row is too long.")
            yield line.text.decode("utf-8", "replace") + "\n"
        self.over = True


def _read_csv(lines: Lines) -> Iterator[FileEntry | Unreadable]:
    """RFC 4180 with a header that names `email` and `certificate` (PEM, or DER in base64); other columns are passed over."""
    every = iter(lines)
    header = next(every, Line(1, b"", cut=False))
    separator, names = _columns(header.text.decode("utf-8", "replace"))
    if not {"email", "certificate"} <= set(names):
        yield Unreadable(header.number, EntryError("The header does not name email and certificate."))
        return
    rows = _Rows(every)
    rows.number = header.number
    while not rows.over:
        # After a row that cannot be read, the next line begins afresh.
        reader = csv.reader(iter(rows), delimiter=separator, strict=True)
        try:
            rows.begin_row()
            for row in reader:
                yield from _row(rows.first, dict(zip(names, row, strict=False)))
                rows.begin_row()
        except (csv.Error, LongEntryError) as error:
            yield Unreadable(rows.first, error if isinstance(error, LongEntryError) else EntryError("The row cannot be read."))


def _row(line: int, row: dict[str, str]) -> Iterator[FileEntry | Unreadable]:
    if not row:
        return
    address, certificate = row.get("email", "").strip(), row.get("certificate", "").strip().encode("utf-8", "replace")
    if not certificate:
        yield Unreadable(line, EntryError("The row has no certificate."))
    elif not address:
        yield Unreadable(line, UnnamedAddressError("The row has no address."))
    elif certificate.startswith(b"-----"):
        yield from _split(line, certificate, (address,))
    else:
        yield _decoded(line, certificate, (address,))
