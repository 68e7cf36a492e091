"""Files as operators have them, and as somebody who wants to break the import writes them: each place ends in an entry or in a named reason."""

import base64
import io
import random
import tracemalloc
from collections.abc import Iterator
from typing import BinaryIO, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from directory.x509.certificate import MOST_OCTETS
from mailer.import_errors import UnknownFormatError
from mailer.import_files import MOST_LINE, MOST_VALUES, FileEntry, Lines, Unreadable, format_of, read_entries
from tests.pki import Authority, Holder


@pytest.fixture(scope="module")
def alice() -> Holder:
    return Authority().leaf("alice@example.com", "rsa2048")


@pytest.fixture(scope="module")
def bob() -> Holder:
    return Authority().leaf("bob@example.com")


def read(data: bytes, name: str = "file") -> list[FileEntry | Unreadable]:
    stream = io.BytesIO(data)
    return list(read_entries(stream, Lines(stream), kind=format_of(name, data[:4096])))


def read_codes(data: bytes, name: str = "file") -> list[tuple[int, str]]:
    """The lines and the reasons, `entry` where there is one."""
    return [(found.line, "entry" if isinstance(found, FileEntry) else found.error.code) for found in read(data, name)]


def ldif_value(name: str, value: bytes) -> str:
    text = f"{name}:: {base64.b64encode(value).decode()}"
    return "\n ".join(text[start : start + 76] for start in range(0, len(text), 76))


def test_it_reads_many_of_a_pem_file(alice: Holder, bob: Holder) -> None:
    text = b"# Alice\n" + alice.pem + b"\nsubject=Bob\n" + bob.pem.replace(b"\n", b"\r\n")
    first = 2
    second = first + alice.pem.count(b"\n") + 2
    assert read(text) == [FileEntry(first, alice.der, None), FileEntry(second, bob.der, None)]


def test_it_reads_pkcs7_and_der(alice: Holder, bob: Holder) -> None:
    both = [alice.certificate, bob.certificate]
    for encoding in (Encoding.PEM, Encoding.DER):
        found = read(pkcs7.serialize_certificates(both, encoding))
        assert {entry.der for entry in found if isinstance(entry, FileEntry)} == {alice.der, bob.der}
    assert read(alice.der) == [FileEntry(1, alice.der, None)]


def test_it_reads_ldif(alice: Holder, bob: Holder) -> None:
    text = f"""version: 1

# people
dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
mail: Alice@example.com
MAIL:: {base64.b64encode(b"a.smith@example.com").decode()}
{ldif_value("userCertificate;binary", alice.der)}
jpegPhoto:: {"A" * 300_000}
 {"A" * 300_000}

dn: uid=bob,ou=people,dc=example,dc=com
changetype: add
{ldif_value("userSMIMECertificate;binary", pkcs7.serialize_certificates([bob.certificate], Encoding.DER))}
mail:  bob@example.com
"""
    found = read(text.replace("\n", "\r\n").encode())
    assert [(entry.der, entry.addresses) for entry in found if isinstance(entry, FileEntry)] == [
        (alice.der, ("Alice@example.com", "a.smith@example.com")),
        (bob.der, ("bob@example.com",)),
    ]
    assert len(found) == 2


def test_it_fetches_nothing_that_ldif_names(alice: Holder) -> None:
    text = f"dn: x\nmail: alice@example.com\nuserCertificate;binary:< file:///etc/passwd\n{ldif_value('userCertificate', alice.der)}\n"
    assert read_codes(text.encode()) == [(3, "remote_value"), (4, "entry")]


def test_it_takes_no_changes_from_ldif(alice: Holder) -> None:
    value = ldif_value("userCertificate", alice.der)
    text = f"dn: x\nchangetype: modify\nadd: userCertificate\nmail: a@example.com\n{value}\n-\n\ndn: y\nchangetype: delete\n"
    assert read_codes(text.encode()) == [(5, "malformed_entry")]


@pytest.mark.parametrize("separator", [",", ";"])
def test_it_reads_csv(alice: Holder, bob: Holder, separator: str) -> None:
    rows = [["Certificate", "Name", "Email"], [base64.b64encode(alice.der).decode(), 'A ""Smith""', "alice@example.com"]]
    rows += [["", "", ""], [bob.pem.decode(), "", " bob@example.com "]]
    text = "\ufeff" + "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    found = read(text.encode(), "people.csv")
    assert found[0] == FileEntry(2, alice.der, ("alice@example.com",))
    assert (found[1].line, cast("Unreadable", found[1]).error.code) == (3, "malformed_entry")
    assert found[2] == FileEntry(4, bob.der, ("bob@example.com",))


def test_it_knows_a_file_by_what_is_in_it(alice: Holder) -> None:
    assert format_of("x.pem", b"dn: uid=x\nmail: a@example.com") == "ldif"
    assert format_of("x.txt", b"email,certificate\n") == "csv"
    assert format_of("x", b"Bag Attributes\n" + alice.pem) == "pem"
    assert format_of("x.PEM", b"\n" * 5000) == "pem"
    with pytest.raises(UnknownFormatError):
        format_of("x.docx", b"PK\x03\x04")


BASE64 = base64.b64encode(b"\x30\x03\x02\x01\x01").decode()


@pytest.mark.parametrize(
    ("name", "text", "codes"),
    [
        ("x.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----", [(1, "malformed_upload")]),
        ("x.pem", "-----BEGIN CERTIFICATE-----\nAAAA", [(1, "malformed_upload")]),
        (
            "x.pem",
            "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            [(1, "malformed_upload"), (2, "entry")],
        ),
        ("x.pem", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", [(1, "private_key_in_upload")]),
        ("x.pem", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", [(1, "malformed_upload")]),
        ("x.pem", "-----BEGIN CERTIFICATE-----\n" + "A" * MOST_LINE + "\nAAAA\n-----END CERTIFICATE-----", [(1, "entry_too_long")]),
        ("x.pem", "-----BEGIN CERTIFICATE-----\n" + "\n" * 300_000 + "-----END CERTIFICATE-----", [(1, "entry_too_long")]),
        ("x.pem", "nothing\n" * 3, []),
        ("x.ldif", f"mail: a@example.com\nuserCertificate:: {BASE64}!\n", [(2, "malformed_upload")]),
        ("x.ldif", f"mail: a@example.com\nuserCertificate: {BASE64}\n", [(2, "malformed_upload")]),
        ("x.ldif", f"userCertificate:: {BASE64}\n", [(1, "address_missing")]),
        ("x.ldif", f"mail: a@example.com\nuserSMIMECertificate:: {BASE64}\n", [(2, "private_key_in_upload")]),
        ("x.ldif", "mail: a@example.com\nuserCertificate:: " + "A" * (MOST_LINE + 1), [(2, "entry_too_long")]),
        ("x.ldif", "mail: a@example.com\nuserCertificate:: A" + "\n AAAAAAA" * 40_000, [(2, "entry_too_long")]),
        ("x.ldif", "mail: a@example.com\nuserCertificate:: " + "A" * (MOST_OCTETS // 3 * 4 + 8), [(2, "certificate_too_large")]),
        ("x.ldif", " \n \nno colon\n: \n::\n\n\n", []),
        ("x.csv", "email,key\na@example.com,AAAA\n", [(1, "malformed_entry")]),
        ("x.csv", "email,certificate\na@example.com\n", [(2, "malformed_entry")]),
        ("x.csv", f"email,certificate\n,{BASE64}\n", [(2, "address_missing")]),
        ("x.csv", f'email,certificate\n"a"b,{BASE64}\nb@example.com,{BASE64}\n', [(2, "malformed_entry"), (3, "entry")]),
        ("x.csv", "email,certificate\na@example.com," + "A" * MOST_LINE + f"\nb@example.com,{BASE64}\n", [(2, "entry_too_long"), (3, "entry")]),
        ("x.csv", f'email,certificate\n"a@example.com,{BASE64}\n', [(2, "malformed_entry")]),
        ("x.csv", 'email,certificate\n"' + '\n","' * 4000, [(2, "entry_too_long")]),
        ("x.csv", 'email,certificate\n"' + ("y" * 60_000 + '","' + "z" * 60_000 + "\n") * 3 + '"\n', [(2, "entry_too_long")]),
        ("x.csv", "email,certificate\n\x00,\x00\n", [(2, "malformed_upload")]),
    ],
)
def test_it_names_what_is_wrong(name: str, text: str, codes: list[tuple[int, str]]) -> None:
    found = read_codes(text.encode(), name)
    assert found[: len(codes)] == codes
    # A row that does not end takes the next lines with it, each with its own reason.
    assert len(found) == len(codes) or (name == "x.csv" and all(code != "entry" for _line, code in found[len(codes) :]))


def test_it_bounds_what_one_record_holds() -> None:
    many = "mail: a@example.com\n" + f"userCertificate:: {BASE64}\n" * 1000
    codes = read_codes(many.encode(), "x.ldif")
    assert [code for _line, code in codes].count("entry") == MOST_VALUES
    assert len(codes) == 2 * MOST_VALUES


@pytest.mark.parametrize("kind", ["pem", "ldif", "csv"])
def test_it_survives_anything(kind: str, alice: Holder) -> None:
    """Pieces of all formats in any order, with octets changed."""
    chance = random.Random(kind)
    pieces = [alice.pem, ldif_value("userCertificate", alice.der).encode(), b"mail: alice@example.com\n", b"\n", b" ", b'"', b"email,certificate\n"]
    pieces += [b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"::", b":<", b"\x00", b"\xff" * 10, b"\r"]
    for _ in range(100):
        data = bytearray(b"".join(chance.choices(pieces, k=30)))
        for _ in range(chance.randrange(5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        stream = io.BytesIO(b"email,certificate\n" + bytes(data) if kind == "csv" else bytes(data))
        assert all(isinstance(found, FileEntry | Unreadable) for found in read_entries(stream, Lines(stream), kind=kind))


class Endless(io.RawIOBase):
    """So many repetitions of a piece as a file that is never there as a whole."""

    def __init__(self, head: bytes, piece: bytes, times: int) -> None:
        self._pieces = self._stream(head, piece, times)
        self._rest = b""

    def _stream(self, head: bytes, piece: bytes, times: int) -> Iterator[bytes]:
        yield head
        for _ in range(times):
            yield piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


HOSTILE: list[tuple[str, bytes, bytes]] = [
    ("pem", b"-----BEGIN CERTIFICATE-----\n", b"\n" * 8),
    ("pem", b"", b"x" * 64),
    ("pem", b"", b"-----BEGIN CERTIFICATE-----\n"),
    ("ldif", b"mail:: ", b"QUFB" * 16),
    ("ldif", b"mail:: ", b"QUFB\n " * 2),
    ("ldif", b"", b"mail: a@example.com\n"),
    ("ldif", b"", b"userCertificate:: QUFB\n"),
    ("csv", b"email,certificate\n", b'"a\n'),
    ("csv", b"email,certificate\n", b","),
    ("csv", b'email,certificate\n"', b'\n","'),
]


def read_endless(kind: str, head: bytes, piece: bytes, times: int) -> int:
    """The most memory that reading took, in octets."""
    stream = cast("BinaryIO", io.BufferedReader(Endless(head, piece, times)))
    tracemalloc.start()
    try:
        for _entry in read_entries(stream, Lines(stream), kind=kind):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("kind", "head", "piece"), HOSTILE, ids=range(len(HOSTILE)))
def test_it_takes_no_more_memory_for_a_longer_file(kind: str, head: bytes, piece: bytes) -> None:
    assert read_endless(kind, head, piece, 40_000) < 32 * 1024 * 1024


def test_it_takes_no_more_memory_for_a_row_of_long_lines() -> None:
    piece = b"y" * 60_000 + b'","' + b"z" * 60_000 + b"\n"
    assert read_endless("csv", b'email,certificate\n"', piece, 1000) < 32 * 1024 * 1024


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "head", "piece"), HOSTILE, ids=range(len(HOSTILE)))
def test_it_takes_no_more_memory_for_millions_of_lines(kind: str, head: bytes, piece: bytes) -> None:
    assert read_endless(kind, head, piece, 2_000_000) < 32 * 1024 * 1024
