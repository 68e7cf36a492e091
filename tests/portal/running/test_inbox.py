"""The SMTP inbox keeps mails as they were received."""

import smtplib

import pytest

from portal.running.inbox import InboxServer

MAIL = b"From: bills@bank.example.com\r\nTo: alice@example.com\r\nSubject: Bill\r\n\r\n.dot\r\nLine with trailing space \r\n"


def send(server: InboxServer, *to: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("bills@bank.example.com", list(to), MAIL)


def test_it_keeps_every_byte_and_the_envelope(inbox_server: InboxServer) -> None:
    send(inbox_server, "alice@example.com", "bob@example.com")
    (mail,) = inbox_server.inbox.mails("ALICE@example.com")
    assert mail.content == MAIL
    assert mail.recipients == ("alice@example.com", "bob@example.com")
    assert mail.sender == "bills@bank.example.com"
    assert inbox_server.inbox.read(mail.path.name) == mail


def test_it_shows_nobody_elses_mail(inbox_server: InboxServer) -> None:
    send(inbox_server, "alice@example.com")
    assert inbox_server.inbox.mails("charlie@example.net") == []


def test_it_answers_as_it_was_told(inbox_server: InboxServer) -> None:
    inbox_server.room.refusals["bob@example.com"] = "550 no such mailbox"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(inbox_server, "bob@example.com")
    inbox_server.room.verdicts.append("451 later")
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        send(inbox_server, "alice@example.com")
    send(inbox_server, "alice@example.com")
    assert len(inbox_server.inbox.mails()) == 1


@pytest.mark.parametrize("name", ["../zone.json", ".eml", "x.json", "/etc/passwd", "a/b.eml", ""])
def test_it_reads_nothing_outside_its_folder(inbox_server: InboxServer, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        inbox_server.inbox.read(name)
