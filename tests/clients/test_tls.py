"""TLS to the portal and to the SMTP server: verified by name and authority, or nothing is said at all."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from letterlock import Client, ConfigurationError, SealedMail, TransportError
from letterlock.handing import HandingError, hand_over

from portal.running.inbox import InboxServer, Mailroom
from portal.running.received import Inbox
from tests.clients.conftest import BOB, SENDER
from tests.clients.false_directory import FalseDirectory, Reply, found

MAIL = SealedMail(SENDER, BOB, "<a@bank.example.com>", "0" * 64, b"From: a\r\n\r\n.sealed\r\n")


def certify(folder: Path, name: str, address: str) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for an IP address: the file to trust it by, and the server's context."""
    key, at = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(at - timedelta(days=1)).not_valid_after(at + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    certificate, both = folder / f"{name}.crt", folder / f"{name}.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    both.write_bytes(certificate.read_bytes() + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return certificate, context


@pytest.fixture
def here(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    return certify(tmp_path, "here", "127.0.0.1")


@pytest.fixture
def secure(here: tuple[Path, ssl.SSLContext]) -> Iterator[FalseDirectory]:
    with FalseDirectory(here[1]) as server:
        server.says(Reply(body=found(BOB).replace(b'"found"', b'"none"')))
        yield server


def test_a_portal_is_known_by_its_certificate(secure: FalseDirectory, here: tuple[Path, ssl.SSLContext], tmp_path: Path) -> None:
    with Client(secure.url, ca=here[0]) as client:
        assert client.look_up(BOB).status == "none"
    other, _context = certify(tmp_path, "other", "127.0.0.1")
    for ca in (None, other):
        with Client(secure.url, ca=ca, retries=0, token="x") as client, pytest.raises(TransportError):
            client.look_up(BOB)
    assert len(secure.asked) == 1, "nothing was said to who could not be known"


def test_a_portal_is_known_by_its_name(tmp_path: Path) -> None:
    certificate, context = certify(tmp_path, "elsewhere", "127.0.0.2")
    with FalseDirectory(context) as server, Client(server.url, ca=certificate, retries=0) as client:
        with pytest.raises(TransportError):
            client.look_up(BOB)
        assert server.asked == []


def test_a_file_of_authorities_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(ConfigurationError):
            Client("https://letterlock.example.com", ca=tmp_path / name)
        with pytest.raises(ConfigurationError):
            hand_over([MAIL], "smtps://127.0.0.1", ca=tmp_path / name)


def test_mail_is_handed_over_by_tls_to_who_is_known(here: tuple[Path, ssl.SSLContext], tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(Mailroom(inbox), hostname="127.0.0.1", port=port, ssl_context=here[1])
    server.start()
    try:
        with pytest.raises(HandingError):
            hand_over([MAIL], f"smtps://127.0.0.1:{port}")
        assert inbox.mails() == []
        hand_over([MAIL], f"smtps://127.0.0.1:{port}", ca=here[0])
    finally:
        server.stop()
    [mail] = inbox.mails()
    assert (mail.sender, mail.recipients, mail.content) == (SENDER, (BOB,), MAIL.message)


def test_it_speaks_no_clear_smtp_where_tls_was_asked_for(inbox_server: InboxServer) -> None:
    with pytest.raises(HandingError) as refused:
        hand_over([MAIL], f"smtps://127.0.0.1:{inbox_server.port}", timeout=5)
    assert refused.value.handed == ()


@pytest.mark.parametrize("url", ["", "127.0.0.1", "http://127.0.0.1", "smtp://[", "smtp://127.0.0.1:x"])
def test_an_odd_smtp_address_is_told(url: str) -> None:
    with pytest.raises(ConfigurationError):
        hand_over([MAIL], url)
