"""One SMTP session: what it says, what it makes of the answers, and what it never gives away."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, random_serial_number
from cryptography.x509.oid import NameOID

from mailer.transport import MOST_REPLY, InDoubtError, RelayUnreachableError, Session
from portal.running.inbox import InboxServer
from tests.pki import make_key

FROM, TO = "bills@bank.example.com", "bob@people.example.org"
MAIL = b"Subject: x\r\n\r\n.\r\n..two\r\nbody\r\n"


@contextmanager
def relay(*answers: bytes | None, greeting: bytes = b"220 hello\r\n") -> Iterator[tuple[str, list[bytes]]]:
    """A relay that says these things in turn, whatever it is told; None hangs up. Gives its address and the lines that it heard."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as peer, peer.makefile("rwb") as stream:
            stream.write(greeting)
            stream.flush()
            for answer in answers:
                heard.append(stream.readline())
                if answer is None:
                    return
                stream.write(answer)
                stream.flush()
            heard.extend(stream)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"smtp://127.0.0.1:{listener.getsockname()[1]}", heard
    thread.join(5)


def test_it_hands_over_dots_as_they_are(inbox_server: InboxServer) -> None:
    with Session() as session:
        assert session.offer(FROM, TO).accepted
        assert session.hand_over(MAIL).accepted
    (mail,) = inbox_server.inbox.mails(TO)
    assert mail.content == MAIL


def test_it_uses_one_session_for_several_mails(inbox_server: InboxServer) -> None:
    with Session() as session:
        for _mail in range(3):
            session.offer(FROM, TO)
            session.take_back()
            session.offer("", TO)
            session.hand_over(MAIL)
    assert [mail.sender for mail in inbox_server.inbox.mails(TO)] == ["<>"] * 3


def test_it_asks_for_smtputf8_only_when_needed(inbox_server: InboxServer) -> None:
    to = "bücher@people.example.org"
    with Session() as session:
        assert session.offer(FROM, to).accepted
        assert session.hand_over(MAIL).accepted
    assert len(inbox_server.inbox.mails(to)) == 1
    with relay(b"250 relay\r\n", b"250 ok\r\n", b"250 ok\r\n", b"221 bye\r\n") as (url, heard), Session(url) as session:
        assert session.offer(FROM, to).for_good, "this relay does not take it"
        assert session.offer(FROM, TO).accepted
    assert heard[1] == f"mail FROM:<{FROM}>\r\n".encode()


@pytest.mark.parametrize(
    "serving",
    [
        lambda: relay(greeting=b"554 go away\r\n"),
        lambda: relay(greeting=b"421 busy\r\n"),
        lambda: relay(None),
        lambda: relay(b"250 relay\r\n", None),
        lambda: relay(b"250 relay\r\n", b"250 ok\r\n", None),
        lambda: relay(greeting=b"nonsense\r\n"),
    ],
)
def test_it_has_handed_over_nothing_where_there_is_no_session(serving: Callable[..., object]) -> None:
    with serving() as (url, _heard), Session(url) as session, pytest.raises(RelayUnreachableError):  # type: ignore[attr-defined]
        session.offer(FROM, TO)


def test_it_is_in_doubt_once_data_has_begun() -> None:
    with relay(b"250 relay\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n", None) as (url, _heard), Session(url) as session:
        session.offer(FROM, TO)
        with pytest.raises(InDoubtError):
            session.hand_over(MAIL)


def test_it_is_not_in_doubt_where_data_was_refused() -> None:
    with relay(b"250 relay\r\n", b"250 ok\r\n", b"250 ok\r\n", b"452 full\r\n", b"221 bye\r\n") as (url, _heard), Session(url) as session:
        session.offer(FROM, TO)
        reply = session.hand_over(MAIL)
    assert (reply.accepted, reply.for_good, str(reply)) == (False, False, "452 full")


def test_it_cuts_and_cleans_what_a_relay_says() -> None:
    words = b"550 \x1b[31m" + b"x" * 2000 + b"\r\n"
    with relay(b"250 relay\r\n", b"250 ok\r\n", words, b"250 ok\r\n", b"221 bye\r\n") as (url, _heard), Session(url) as session:
        reply = session.offer(FROM, TO)
    assert reply.for_good
    assert len(reply.text) == MOST_REPLY
    assert "\x1b" not in reply.text


@contextmanager
def tls_relay(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A relay that offers STARTTLS with a certificate that nobody signed. Gives its port and what it heard, `TLS` where the line was hidden."""
    key = make_key("p256")
    name = Name([NameAttribute(NameOID.COMMON_NAME, "relay.example.net")])
    day, now = timedelta(days=1), datetime.now(UTC)
    builder = CertificateBuilder(name, name, key.public_key(), random_serial_number(), now - day, now + day)
    certificate = builder.sign(key, SHA256())
    (folder / "relay.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "relay.pem")
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(peer: socket.socket, *, hidden: bool) -> None:
        with peer.makefile("rwb") as stream:
            for line in stream:
                heard.append(line)
                verb = line[:4].upper()
                offered = b"250-relay\r\n250 AUTH PLAIN\r\n" if hidden else b"250-relay\r\n250 STARTTLS\r\n"
                stream.write({b"EHLO": offered, b"STAR": b"220 go\r\n", b"AUTH": b"235 ok\r\n"}.get(verb, b"250 ok\r\n"))
                stream.flush()
                if verb in {b"STAR", b"QUIT"}:
                    return

    def serve() -> None:
        with listener, listener.accept()[0] as peer:
            peer.sendall(b"220 hello\r\n")
            talk(peer, hidden=False)
            with suppress(OSError), context.wrap_socket(peer, server_side=True) as hidden:
                heard.append(b"TLS")
                talk(hidden, hidden=True)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], heard
    thread.join(5)


@pytest.mark.parametrize("login", ["", "alice:open-sesame@"])
def test_it_hides_the_line_where_the_relay_offers_it(login: str, tmp_path: Path) -> None:
    with tls_relay(tmp_path) as (port, heard), Session(f"smtp://{login}127.0.0.1:{port}") as session:
        assert session.offer(FROM, TO).accepted
    hidden = heard[heard.index(b"TLS") :]
    assert any(line.startswith(b"mail FROM") for line in hidden)
    assert any(line.startswith(b"AUTH") for line in hidden) is bool(login)


def test_it_gives_no_password_to_a_relay_that_does_not_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine it would: so the name of the relay is another, which leads here."""
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, *rest, **more: connect(("127.0.0.1", address[1]), *rest, **more))
    with tls_relay(tmp_path) as (port, heard), pytest.raises(RelayUnreachableError):
        Session(f"smtp://alice:open-sesame@relay.example.net:{port}").offer(FROM, TO)
    assert any(b"STARTTLS" in line.upper() for line in heard)
    assert not any(b"AUTH" in line.upper() for line in heard)


def test_it_gives_no_password_to_a_relay_without_tls() -> None:
    with relay(b"250-relay\r\n250 AUTH PLAIN LOGIN\r\n", b"221 bye\r\n") as (url, heard), pytest.raises(RelayUnreachableError) as caught:
        Session(url.replace("//", "//alice:open-sesame@")).offer(FROM, TO)
    assert not any(b"AUTH" in line.upper() for line in heard)
    assert "sesame" not in str(caught.value)
