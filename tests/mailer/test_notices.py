"""The portal's own mails: each kind in each language, no header but ours, sent once, content gone."""

import re
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from pytest_django import Settings

from directory.models import Level, Organization
from directory.x509.names import EmailAddress
from mailer.models import Notice, NoticeStatus
from mailer.notice_mail import clear_mail, words
from mailer.notices import GIVE_UP, KEPT, WrongTransitionError, _move, deliver_notices, send_notice, settle_notices
from mailer.pausing import pause, resume
from portal.running.inbox import InboxServer

pytestmark = pytest.mark.django_db
TO = EmailAddress.parse("alice@bank.example.com")
FOLDER = Path(settings.BASE_DIR) / "templates" / "mail"
KINDS = sorted(path.stem for path in FOLDER.glob("*.txt"))
ORGANIZATION = SimpleNamespace(
    legal_name="Müller & Söhne <AG>", country="DE", organization_identifier="NTRDE-DER3306.HRB1", website="https://www.bank.example.com"
)
CONTEXT: dict[str, object] = {
    "name": "Alice <b>",
    "legal_name": "Müller & Söhne <AG>",
    "url": "https://portal.example.org/there",
    "never_url": "https://portal.example.org/never",
    "deadline": datetime(2026, 11, 26, 17, 0),  # noqa: DTZ001 - shown as it is
    "time_zone": "Europe/Berlin",
    "text": "Please send <i>page 2</i>",
    "organization": ORGANIZATION,
    "level": Level.V4,
    "publication": SimpleNamespace(address="alice@bank.example.com", fingerprint="ab" * 32),
    "parsed": SimpleNamespace(issuer="CN=Test"),
    "hours": 24,
    "days": 14,
}


def parsed(mail: bytes) -> EmailMessage:
    message = message_from_bytes(mail, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_every_kind_in_every_language(kind: str, language: str, now: datetime) -> None:
    said = words(kind, CONTEXT, language=language)
    assert "https://portal.example.org/there" in said.text
    assert "https://portal.example.org/there" in said.html
    assert not re.search(r"&(amp|lt|#)", said.text + said.subject), "plain text is not escaped"
    assert "<AG>" not in said.html, "HTML is"
    assert "<i>" not in said.html
    assert "{%" not in said.text + said.html
    assert not re.search(r"(?:src|href)=\"(?!https://portal\.example\.org/)", said.html), "nothing is loaded or linked from elsewhere"
    mail = parsed(clear_mail(said, to=TO, message_id="<x@portal.example.org>", at=now))
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert mail["Subject"] == said.subject


@pytest.mark.parametrize("separator", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028"])
def test_it_lets_no_header_in(separator: str, now: datetime) -> None:
    context = {**CONTEXT, "legal_name": f"Bank{separator}Bcc: charlie@shop.example.net{separator}{separator}<h1>"}
    mail = parsed(clear_mail(words("application_approved", context), to=TO, message_id="<x@portal.example.org>", at=now))
    assert mail["Bcc"] is None
    assert sorted(mail.keys()) == ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"]


def notice(now: datetime) -> Notice:
    return send_notice(to=TO, kind="confirm_address", context=CONTEXT, at=now)


def test_it_sends_once(inbox_server: InboxServer, now: datetime) -> None:
    stored = notice(now)
    assert b"there" not in bytes(stored.content or b"")
    assert deliver_notices(at=now) == 1
    assert deliver_notices(at=now) == 0
    (mail,) = inbox_server.inbox.mails(TO.address)
    assert parsed(mail.content)["Message-ID"] == stored.message_id
    stored.refresh_from_db()
    assert (stored.status, stored.content) == (NoticeStatus.HANDED, None)


def test_it_tries_again_after_4xx_and_fails_after_5xx(inbox_server: InboxServer, now: datetime) -> None:
    first = notice(now)
    inbox_server.room.verdicts.append("451 later")
    deliver_notices(at=now)
    first.refresh_from_db()
    assert (first.status, first.relay_reply) == (NoticeStatus.QUEUED, "451 later")
    inbox_server.room.refusals[TO.address] = "550 nobody"
    deliver_notices(at=now + timedelta(minutes=1))
    first.refresh_from_db()
    assert (first.status, first.relay_reply, first.content) == (NoticeStatus.FAILED, "550 nobody", None)


def test_it_gives_up_after_a_day(settings: Settings, now: datetime) -> None:
    settings.LETTERLOCK_SMTP_URL = "smtp://127.0.0.1:1"
    stored = notice(now)
    deliver_notices(at=now + GIVE_UP + timedelta(seconds=1))
    stored.refresh_from_db()
    assert stored.status == NoticeStatus.FAILED


def test_it_forgets_notices_after_thirty_days(inbox_server: InboxServer, now: datetime) -> None:
    del inbox_server
    notice(now)
    deliver_notices(at=now)
    settle_notices(at=now + KEPT)
    assert Notice.objects.exists()
    settle_notices(at=now + KEPT + timedelta(seconds=1))
    assert not Notice.objects.exists()


def test_it_has_one_table_of_transitions(now: datetime) -> None:
    with pytest.raises(WrongTransitionError):
        _move(notice(now), NoticeStatus.QUEUED, NoticeStatus.HANDED, at=now)


def test_it_takes_no_notice_twice(inbox_server: InboxServer, now: datetime) -> None:
    """A worker whose lease was taken over cannot say `handing`."""
    stored = notice(now)
    stale = Notice.objects.get()
    Notice.objects.update(lease_token=5)
    assert not _move(stale, NoticeStatus.QUEUED, NoticeStatus.HANDING, at=now)
    deliver_notices(at=now)
    assert len(inbox_server.inbox.mails(stored.recipient)) == 1


def test_it_waits_while_everything_or_its_domain_is_paused(inbox_server: InboxServer, bank: Organization, now: datetime) -> None:
    """Neither a pause of Charlie's nor one of another domain holds the portal's own mails."""
    notice(now)
    for scope in ("", "bank.example.com"):
        pause(domain=scope, reason="x", actor="user:operator", at=now)
        assert deliver_notices(at=now) == 0
        resume(domain=scope, actor="user:operator", at=now)
    assert not inbox_server.inbox.mails()
    pause(organization=bank, reason="x", actor="user:charlie", at=now)
    pause(organization=bank, domain="bank.example.com", reason="x", actor="user:charlie", at=now)
    pause(domain="example.com", reason="x", actor="user:operator", at=now)
    assert deliver_notices(at=now) == 1
    assert len(inbox_server.inbox.mails(TO.address)) == 1
