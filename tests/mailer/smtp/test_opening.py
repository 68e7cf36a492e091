"""Opening a session: greeting, EHLO, STARTTLS, AUTH; what a relay must prove, and what it is never told."""

import base64
import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import CertificateBuilder, DNSName, IPAddress, Name, NameAttribute, SubjectAlternativeName, random_serial_number
from cryptography.x509.oid import NameOID

from mailer.smtp.errors import UnreachableError
from mailer.smtp.opening import Relay, Tls, open_session
from tests.mailer.false_relays import GREETING, Answer, FalseRelay, running, say
from tests.pki import make_key

PASSWORD = "open-sesame"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of relay.example.net and this machine, signed by nobody else."""
    key = make_key("p256")
    name = Name([NameAttribute(NameOID.COMMON_NAME, "relay.example.net")])
    day, now = timedelta(days=1), datetime.now(UTC)
    names = SubjectAlternativeName([DNSName("relay.example.net"), IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = CertificateBuilder(name, name, key.public_key(), random_serial_number(), now - day, now + day).add_extension(names, critical=False)
    path = tmp_path / "relay.pem"
    path.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def opened(relay: FalseRelay, **settings: object) -> dict[str, str]:
    """What the relay then offers; it is taken leave of."""
    made = Relay(**{"host": "127.0.0.1", "port": relay.port, "own_name": "worker.example.org", "seconds": 2.0, **settings})  # type: ignore[arg-type]
    connection = open_session(made)
    connection.quit()
    return connection.extensions


@pytest.mark.parametrize(
    "answers",
    [
        {GREETING: say(b"554 go away\r\n")},
        {GREETING: say(b"421 busy\r\n")},
        {GREETING: say(None)},
        {GREETING: say(b"nonsense\r\n")},
        {GREETING: say(b"SSH-2.0-x\r\n")},
        {GREETING: say(b"")},
        {"EHLO": say(None)},
        {"EHLO": say(b"250-x\r\n" * 1000)},
        {"EHLO": say(b"421 bye\r\n"), "HELO": say(b"421 bye\r\n")},
    ],
    ids=["554", "421", "hangs up", "nonsense", "another protocol", "silent", "hangs up at EHLO", "endless EHLO", "421 to EHLO"],
)
def test_there_is_no_session_with_a_relay_that_does_not_greet(answers: dict[str, Answer]) -> None:
    with running(FalseRelay(answers)) as relay, pytest.raises(UnreachableError):
        opened(relay, seconds=0.5)


def test_there_is_no_session_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match="ConnectionRefused"):
        open_session(Relay("127.0.0.1", port, "worker.example.org", 1.0))


def test_it_greets_an_old_relay_in_the_old_way() -> None:
    with running(FalseRelay({"EHLO": say(b"502 what?\r\n")})) as relay:
        assert opened(relay) == {}
    assert relay.lines == ["EHLO worker.example.org", "HELO worker.example.org", "QUIT"]


def test_it_reads_what_the_relay_can() -> None:
    with running(FalseRelay(extensions=("PIPELINING", "size 1000", "AUTH PLAIN LOGIN", "x-y z"))) as relay:
        assert opened(relay) == {"PIPELINING": "", "SIZE": "1000", "AUTH": "PLAIN LOGIN", "X-Y": "z"}


def test_it_hides_the_line_where_the_relay_offers_it(context: ssl.SSLContext) -> None:
    with running(FalseRelay(tls=context, hidden_extensions=("SIZE 5",))) as relay:
        assert opened(relay) == {"SIZE": "5"}, "what was said in clear is forgotten"
    assert [line[:4] for line in relay.heard[0]] == ["EHLO", "STAR"]
    assert [line[:4] for line in relay.heard[1]] == ["EHLO", "QUIT"]


def test_it_goes_nowhere_without_proof_where_the_operator_asks_for_it(
    context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(FalseRelay()) as relay, pytest.raises(UnreachableError, match="no STARTTLS"):
        opened(relay, tls=Tls.VERIFIED)
    with running(FalseRelay(tls=context)) as relay:
        with pytest.raises(UnreachableError, match="no TLS"):
            opened(relay, tls=Tls.VERIFIED)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert opened(relay, tls=Tls.VERIFIED)
        leads_here(monkeypatch)
        assert opened(relay, tls=Tls.VERIFIED, host="relay.example.net")
        with pytest.raises(UnreachableError, match="no TLS"):
            opened(relay, tls=Tls.VERIFIED, host="other.example.net")


def test_it_asks_every_relay_but_its_own_machine_for_proof(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charlie, who sits between, offers no STARTTLS, or a certificate of his own."""
    leads_here(monkeypatch)
    for offered, words in ((None, "no STARTTLS"), (context, "no TLS")):
        with running(FalseRelay(tls=offered)) as relay:
            for host in ("relay.example.net", "192.0.2.1"):
                with pytest.raises(UnreachableError, match=words):
                    opened(relay, host=host)
                assert "MAIL" not in str(relay.heard)
            for host in ("127.0.0.1", "localhost"):
                opened(relay, host=host)
            opened(relay, host="relay.example.net", tls=Tls.OPPORTUNISTIC)


def leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name lead to this machine."""
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda address, *rest, **more: connect(("127.0.0.1", address[1]), *rest, **more))


def test_it_speaks_tls_from_the_beginning(context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FalseRelay(tls=context, is_tls=True)) as relay:
        with pytest.raises(UnreachableError, match="no TLS"):
            opened(relay, is_tls=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "PIPELINING" in opened(relay, is_tls=True)


def test_it_believes_nothing_that_was_said_ahead_of_tls(context: ssl.SSLContext) -> None:
    """Charlie, on the way, adds a reply that would count as the relay's own once TLS has begun."""
    answers = {"STAR": say(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")}
    with running(FalseRelay(answers, extensions=("STARTTLS",))) as relay, pytest.raises(UnreachableError, match="ahead of TLS"):
        opened(relay)
    del context


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"])
def test_it_logs_in_under_tls(way: str, context: ssl.SSLContext) -> None:
    answers = {"AUTH": say(b"334 VXNlcm5hbWU6\r\n" if way == "LOGIN" else b"235 ok\r\n")}
    user, password = (base64.b64encode(word).decode() for word in (b"alice", PASSWORD.encode()))
    if way == "LOGIN":
        answers |= {user[:4].upper(): say(b"334 UGFzc3dvcmQ6\r\n"), password[:4].upper(): say(b"235 ok\r\n")}
    with running(FalseRelay(answers, tls=context, hidden_extensions=(f"AUTH {way}",))) as relay:
        opened(relay, username="alice", password=PASSWORD)
    assert not any("AUTH" in line for line in relay.heard[0])
    hidden = relay.heard[1][1:-1]
    plain = base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()
    assert hidden == (["AUTH LOGIN", user, password] if way == "LOGIN" else [f"AUTH PLAIN {plain}"])


def test_it_tells_no_password_to_who_may_hear_it(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in clear, nor to a relay elsewhere that does not prove its name."""
    with running(FalseRelay(extensions=("AUTH PLAIN LOGIN",))) as clear, pytest.raises(UnreachableError):
        opened(clear, username="alice", password=PASSWORD)
    assert not any("AUTH" in line.upper() for line in clear.lines)
    leads_here(monkeypatch)
    with running(FalseRelay(tls=context, hidden_extensions=("AUTH PLAIN",))) as relay, pytest.raises(UnreachableError, match="no TLS"):
        opened(relay, username="alice", password=PASSWORD, host="relay.example.net")
    assert not any("AUTH" in line.upper() for line in relay.lines)


@pytest.mark.parametrize("answer", [b"535 no, %s\r\n", b"421 %s\r\n", b"334 %s\r\n"])
def test_it_repeats_no_password_that_a_relay_throws_back(answer: bytes, context: ssl.SSLContext) -> None:
    thrown = say(answer % base64.b64encode(f"\0alice\0{PASSWORD}".encode()))
    with running(FalseRelay({"AUTH": thrown}, tls=context, hidden_extensions=("AUTH PLAIN",))) as relay, pytest.raises(UnreachableError) as caught:
        opened(relay, username="alice", password=PASSWORD)
    assert "sesame" not in repr(caught.value)
    assert base64.b64encode(PASSWORD.encode()).decode()[:8] not in repr(caught.value)
    assert "sesame" not in repr(Relay("h", 1, "n", 1.0, username="alice", password=PASSWORD))


def test_it_knows_no_way_to_log_in(context: ssl.SSLContext) -> None:
    with running(FalseRelay(tls=context, hidden_extensions=("AUTH GSSAPI",))) as relay, pytest.raises(UnreachableError, match="neither"):
        opened(relay, username="alice", password=PASSWORD)
