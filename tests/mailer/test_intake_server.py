"""The intake's protocols on real sockets: our own addresses alone, an answer only after the work, one for each recipient where there can be."""

import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from mailer.contributed import MOST_OCTETS
from mailer.intake import server
from mailer.intake.binding import Binding, parse_binding
from mailer.intake.routing import Box, Destination, destination
from tests.mailer.intakes import DOMAIN, Intake

SENDER = "dora@people.example.net"
COLLECT, BOUNCES = f"collect@{DOMAIN}", f"bounces@{DOMAIN}"
MAIL = b"From: dora@people.example.net\r\nSubject: Hello\r\n\r\n.leading dot\r\nH\xc3\xa9llo\r\n"


class Desk:
    """Takes mail as it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[Destination, bytes, int]] = []
        self.replies: dict[Box, str] = {}
        self.gate = threading.Event()
        self.gate.set()

    def take(self, found: Destination, message: bytes) -> str:
        self.gate.wait(30)
        self.taken.append((found, message, threading.get_ident()))
        return self.replies.get(found.box, "250 2.0.0 Stored")


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def intake(desk: Desk, tmp_path: Path) -> Iterator[Intake]:
    with Intake(desk.take, tmp_path / "lmtp.sock") as running:
        yield running


def smtp(intake: Intake) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", intake.port, timeout=30)


def code_of(answer: object) -> tuple[int, bytes]:
    assert isinstance(answer, smtplib.SMTPResponseException)
    return answer.smtp_code, bytes(answer.smtp_error) if isinstance(answer.smtp_error, bytes) else str(answer.smtp_error).encode()


def test_it_hands_on_the_mail_as_it_was_sent(intake: Intake, desk: Desk) -> None:
    with smtp(intake) as client:
        assert client.sendmail(SENDER, [COLLECT], MAIL) == {}
        assert client.sendmail("", [BOUNCES.upper()], MAIL) == {}, "bounces have the null return path"
    assert [(found, message) for found, message, _thread in desk.taken] == [(Destination(Box.COLLECT), MAIL), (Destination(Box.BOUNCES), MAIL)]


def test_it_relays_nothing(intake: Intake, desk: Desk) -> None:
    foreign = ["charlie@shop.example.net", f"alice@{DOMAIN}", f"collect+x@{DOMAIN}", "collect@sub." + DOMAIN, f"proof@{DOMAIN}", f"proof+1@{DOMAIN}"]
    foreign += [f"collect%shop.example.net@{DOMAIN}", f"@{DOMAIN}:charlie@shop.example.net", f"proof+{uuid4().hex}@{DOMAIN}"]
    with smtp(intake) as client:
        client.ehlo()
        for address in foreign:
            client.rset()
            client.mail(SENDER)
            assert client.rcpt(address)[0] in {550, 501, 553}, address
            assert client.docmd("DATA")[0] == 503, "so nothing can be sent"
    assert desk.taken == []


def test_it_says_nothing_of_which_publications_there_are(intake: Intake) -> None:
    with smtp(intake) as client:
        client.ehlo()
        client.mail(SENDER)
        assert client.rcpt(f"proof+{uuid4()}@{DOMAIN}")[0] == 250


@pytest.mark.parametrize("reply", ["550 5.7.1 Not taken: it is not signed", "451 4.3.0 later"])
def test_its_answer_is_what_became_of_the_mail(reply: str, intake: Intake, desk: Desk) -> None:
    desk.replies[Box.COLLECT] = reply
    with smtp(intake) as client, pytest.raises(smtplib.SMTPDataError) as caught:
        client.sendmail(SENDER, [COLLECT], MAIL)
    assert code_of(caught.value) == (int(reply[:3]), reply[4:].encode())


def test_it_answers_only_after_the_work_and_serves_others_meanwhile(intake: Intake, desk: Desk) -> None:
    desk.gate.clear()
    with smtp(intake) as waiting, smtp(intake) as other:
        waiting.ehlo()
        waiting.mail(SENDER)
        waiting.rcpt(COLLECT)
        waiting.docmd("DATA")
        waiting.send(MAIL + b".\r\n")
        assert other.noop()[0] == 250, "the event loop reads no mail"
        assert waiting.sock is not None
        waiting.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            waiting.sock.recv(1)
        waiting.sock.settimeout(30)
        desk.gate.set()
        assert waiting.sock.recv(100).startswith(b"250 2.0.0")
    assert desk.taken[0][2] != threading.get_ident()


def test_smtp_takes_one_recipient_at_a_time(intake: Intake, desk: Desk) -> None:
    """It has one answer for all; the client offers the others again."""
    with smtp(intake) as client:
        refused = client.sendmail(SENDER, [COLLECT, BOUNCES], MAIL)
        assert {address: answer[0] for address, answer in refused.items()} == {BOUNCES: 452}
    assert [found.box for found, _message, _thread in desk.taken] == [Box.COLLECT]


def test_lmtp_answers_for_each_recipient(intake: Intake, desk: Desk) -> None:
    """RFC 2033 section 4.2."""
    publication = UUID("0b0e5f2c-0000-4000-8000-000000000001")
    desk.replies[Box.BOUNCES] = "554 5.6.0 no"
    with smtplib.LMTP(str(intake.socket)) as client:
        client.ehlo()
        client.mail(SENDER)
        for address in (COLLECT, BOUNCES, f"proof+{publication}@{DOMAIN}"):
            assert client.rcpt(address)[0] == 250
        assert client.rcpt("charlie@shop.example.net")[0] == 550
        client.docmd("DATA")
        client.send(MAIL.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 554, 250]
        assert client.noop()[0] == 250, "and no answer more"
    assert [found for found, _message, _thread in desk.taken] == [
        Destination(Box.COLLECT), Destination(Box.BOUNCES), Destination(Box.PROOF, publication),
    ]  # fmt: skip
    assert {message for _found, message, _thread in desk.taken} == {MAIL}


def test_lmtp_has_a_limit_of_recipients(intake: Intake) -> None:
    with smtplib.LMTP(str(intake.socket)) as client:
        client.ehlo()
        client.mail(SENDER)
        codes = [client.rcpt(f"proof+{uuid4()}@{DOMAIN}")[0] for _ in range(server.MOST_LMTP_RECIPIENTS + 1)]
    assert codes == [250] * server.MOST_LMTP_RECIPIENTS + [452]


def test_a_mail_that_is_too_large_is_refused(intake: Intake, desk: Desk) -> None:
    line = b"x" * 900 + b"\r\n"
    with smtp(intake) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            client.sendmail(SENDER, [COLLECT], line * (MOST_OCTETS // len(line) + 1))
        assert code_of(caught.value)[0] == 552, "by what it says it has"
        client.mail(SENDER)
        client.rcpt(COLLECT)
        code, _words = client.data(line * (MOST_OCTETS // len(line) + 1))
        assert code == 552, "and by what it has"
    assert desk.taken == []


def test_endless_lines_end_the_session(intake: Intake, desk: Desk) -> None:
    with socket.create_connection(("127.0.0.1", intake.port), timeout=30) as raw:
        raw.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % COLLECT.encode())
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            raw.sendall(b"x" * (2 * server.MOST_SESSION_OCTETS))
    assert desk.taken == []


def test_a_smuggled_mail_is_text(intake: Intake, desk: Desk) -> None:
    """Only CRLF.CRLF ends a mail, so nobody's mail has another one inside."""
    with smtp(intake) as client:
        client.ehlo()
        client.mail(SENDER)
        client.rcpt(COLLECT)
        client.docmd("DATA")
        client.send(b"Subject: x\r\n\r\nx\n.\nMAIL FROM:<>\r\nRCPT TO:<%s>\nDATA\n.\r\ny\r\n.\r\n" % BOUNCES.encode())
        assert client.getreply()[0] == 250
        assert client.noop()[0] == 250
    assert [found.box for found, _message, _thread in desk.taken] == [Box.COLLECT]


def test_a_peer_has_so_many_sessions(intake: Intake) -> None:
    with ExitStack() as stack:
        for _ in range(server.MOST_SESSIONS_OF_PEER):
            assert stack.enter_context(smtp(intake)).noop()[0] == 250
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            smtp(intake)
        assert caught.value.smtp_code == 421
        with smtplib.LMTP(str(intake.socket)) as client:
            assert client.ehlo()[0] == 250, "the mail server beside us comes in all the same"
    with smtp(intake) as again:
        assert again.noop()[0] == 250, "once they have gone others come in"


def test_a_silent_session_ends(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "COMMAND_SECONDS", 0.3)
    with Intake(desk.take, tmp_path / "lmtp.sock") as intake, socket.create_connection(("127.0.0.1", intake.port), timeout=30) as raw:
        while raw.recv(1000):
            pass


def test_a_session_ends_though_it_talks(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SESSION_SECONDS", 0.3)
    with Intake(desk.take, tmp_path / "lmtp.sock") as intake, smtp(intake) as client, suppress(smtplib.SMTPServerDisconnected):
        while True:
            client.noop()


def test_more_than_can_be_read_is_for_later(intake: Intake, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_WAITING", 0)
    with smtp(intake) as client, pytest.raises(smtplib.SMTPDataError) as caught:
        client.sendmail(SENDER, [COLLECT], MAIL)
    assert code_of(caught.value)[0] == 451
    assert desk.taken == []


def test_it_offers_no_login_and_names_nobody(intake: Intake) -> None:
    with smtp(intake) as client:
        client.ehlo()
        assert "auth" not in client.esmtp_features
        assert client.verify("collect")[0] in {252, 502}
        assert client.docmd("EXPN", "all")[0] == 502


@pytest.mark.parametrize("address", ["", "@", "collect", f"collect@{DOMAIN}x", f"COLLECT@@{DOMAIN}", "c" * 400 + f"@{DOMAIN}", f"proof+@{DOMAIN}"])
def test_other_addresses_are_none_of_ours(address: str) -> None:
    assert destination(address, DOMAIN) is None


@pytest.mark.parametrize(
    ("text", "binding"),
    [
        ("127.0.0.1:2525", Binding("127.0.0.1", 2525)),
        ("[::1]:24", Binding("::1", 24)),
        ("/run/letterlock/lmtp.sock", Binding(path="/run/letterlock/lmtp.sock")),
        ("2525", None),
        (":2525", None),
        ("127.0.0.1:70000", None),
        ("127.0.0.1:x", None),
        ("/" + "x" * 200, None),
    ],
)
def test_where_it_listens(text: str, binding: Binding | None) -> None:
    if binding is None:
        with pytest.raises(ValueError, match="must"):
            parse_binding(text)
    else:
        assert parse_binding(text) == binding
