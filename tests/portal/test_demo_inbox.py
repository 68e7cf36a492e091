"""The demo's inbox page shows received mails as they came, and exists in a demo alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from portal.running.received import Inbox, ReceivedMail

SEALED = (
    b"From: Bank <bills@bank.example.com>\r\nSubject: Statement\r\n"
    b'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"\r\n\r\nMIIB\r\n'
)
HOSTILE = b"Subject: <script>alert(1)</script>\r\nContent-Type: text/html\r\n\r\n<script>alert(2)</script>\r\n"


@pytest.fixture
def received(tmp_path: Path, settings: Settings) -> Inbox:
    settings.LETTERLOCK_DEMO = True
    settings.LETTERLOCK_STATE = tmp_path
    return Inbox(tmp_path / "inbox")


def keep(inbox: Inbox, to: str, content: bytes) -> ReceivedMail:
    return inbox.read(inbox.keep("bills@bank.example.com", [to], content, at=datetime.now(UTC)).name)


def test_it_lists_mails_and_tells_the_sealed_ones(received: Inbox, client: Client) -> None:
    mail = keep(received, "alice@example.com", SEALED)
    page = client.get(reverse("demo-inbox")).content.decode()
    assert "alice@example.com" in page
    assert "(sealed)" in page
    assert "Bank &lt;bills@bank.example.com&gt;" in page
    assert reverse("demo-inbox-source", args=[mail.path.name]) in page


def test_it_shows_one_mail_byte_for_byte_and_runs_nothing_in_it(received: Inbox, client: Client) -> None:
    mail = keep(received, "alice@example.com", HOSTILE)
    answer = client.get(reverse("demo-inbox-source", args=[mail.path.name]))
    assert answer.content == HOSTILE
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "<script>alert" not in client.get(reverse("demo-inbox")).content.decode()


def test_it_filters_by_recipient(received: Inbox, client: Client) -> None:
    keep(received, "alice@example.com", SEALED)
    page = client.get(reverse("demo-inbox"), {"to": "charlie@example.net"}).content.decode()
    assert "alice@example.com" not in page


@pytest.mark.parametrize("name", ["missing.eml", "..%2Fsecrets%2FSECRET_KEY", ".eml", "20260101T000000.000000Z-00000000.json"])
def test_it_has_nothing_but_mails(received: Inbox, client: Client, name: str) -> None:
    keep(received, "alice@example.com", SEALED)
    assert client.get(f"/demo/inbox/{name}").status_code == 404


def test_it_does_not_exist_outside_a_demo(received: Inbox, client: Client, settings: Settings) -> None:
    mail = keep(received, "alice@example.com", SEALED)
    settings.LETTERLOCK_DEMO = False
    for address in (reverse("demo-inbox"), reverse("demo-inbox-source", args=[mail.path.name])):
        assert client.get(address).status_code == 404
