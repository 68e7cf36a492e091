"""Mail to the house's own mailboxes, from the socket to the tables: accepted means stored, and Charlie gets nothing in."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.core.management import CommandError, call_command
from pytest_django import Settings

from directory.x509.names import EmailAddress
from mailer import collecting
from mailer.dkim import DomainSigner
from mailer.intake.taking import take
from mailer.models import Consent, ConsentStatus, Message, MessageStatus, Notice, PublicationStatus, SigningIdentity
from mailer.notices import deliver_notices
from mailer.proving import submit
from portal.running.inbox import InboxServer
from portal.running.nameserver import Zone
from tests.mailer.foreign import keep, trust
from tests.mailer.intakes import DOMAIN, Intake
from tests.mailer.letters import letter, send
from tests.mailer.signed_mail import ENTITY, crl, mail, signature
from tests.mailer.test_dsn import dsn
from tests.pki import Authority, Holder, Usage

pytestmark = pytest.mark.django_db(transaction=True)
DORA = "dora@people.example.net"
COLLECT, BOUNCES = f"collect@{DOMAIN}", f"bounces@{DOMAIN}"


@pytest.fixture
def intake(transactional_db: None, tmp_path: Path, settings: Settings, zone: Zone) -> Iterator[Intake]:  # noqa: ARG001 - the tables, the DNS
    settings.LETTERLOCK_INTAKE_DOMAIN = DOMAIN
    with Intake(take, tmp_path / "lmtp.sock") as running:
        yield running


@pytest.fixture
def signed(authority: Authority, now: datetime) -> bytes:
    """Dora's mail, by an authority that is trusted."""
    trust(authority.root, at=now)
    keep(crl(authority.root, at=now), crl(authority.issuer, at=now), at=now)
    dora = authority.leaf(DORA, "p256", Usage.DUAL)
    return mail(signature(dora, [dora.der, authority.issuer.der]), sender=DORA)


def offer(intake: Intake, to: str, message: bytes, *, sender: str = DORA) -> tuple[int, bytes]:
    """The reply to DATA."""
    with smtplib.SMTP("127.0.0.1", intake.port, timeout=60) as client:
        client.ehlo()
        assert client.mail(sender)[0] == 250
        assert client.rcpt(to)[0] == 250
        return client.data(message)


def test_signed_mail_is_collected_from(intake: Intake, signed: bytes) -> None:
    assert offer(intake, COLLECT, signed)[0] == 250
    consent = Consent.objects.get()
    assert (consent.organization, consent.actor, consent.status, consent.match) == (None, "intake", ConsentStatus.AWAITING_CONSENT, DORA)
    assert Notice.objects.get().kind == "consent"


def test_a_replay_is_taken_and_makes_no_second_mail(intake: Intake, signed: bytes) -> None:
    assert [offer(intake, COLLECT, signed)[0] for _ in range(2)] == [250, 250]
    assert (Notice.objects.count(), Consent.objects.count()) == (1, 1), "so that nobody fills the tables with it"


def test_what_cannot_be_taken_is_said_in_words(intake: Intake, signed: bytes) -> None:
    unsigned = b"From: dora@people.example.net\r\n\r\nHello\r\n"
    assert offer(intake, COLLECT, unsigned) == (550, b"5.7.1 Not taken: it is not signed by S/MIME")
    assert b"was changed" in offer(intake, COLLECT, signed.replace(b"between us", b"between me"))[1]
    forged = signed.replace(f"From: {DORA}".encode(), b"From: charlie@shop.example.net")
    assert offer(intake, COLLECT, forged) == (550, b"5.7.1 Not taken: its signer is not its sender")
    assert not Consent.objects.exists()


def test_dkim_is_asked_for_and_a_silent_dns_is_for_later(intake: Intake, signed: bytes, zone: Zone, settings: Settings, now: datetime) -> None:
    made = DomainSigner("people.example.net", "mail", ed25519.Ed25519PrivateKey.generate())
    settings.LETTERLOCK_DNS, right = "127.0.0.1:1", settings.LETTERLOCK_DNS
    assert offer(intake, COLLECT, made.sign(signed, at=now))[0] == 451
    settings.LETTERLOCK_DNS = right
    assert offer(intake, COLLECT, made.sign(signed, at=now))[0] == 550
    zone.add(made.record[0], "TXT", made.record[1])
    assert offer(intake, COLLECT, made.sign(signed, at=now))[0] == 250


def test_a_fault_of_ours_is_for_later_and_says_nothing(intake: Intake, signed: bytes, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.LETTERLOCK_DATA_KEK = None
    assert offer(intake, COLLECT, signed) == (451, b"4.3.0 The fault is ours; please try again later")
    assert not Consent.objects.exists(), "nothing is stored by halves"
    assert "could not be taken: MissingKeyError" in caplog.text
    assert ENTITY.splitlines()[-1].decode() not in caplog.text
    assert DORA not in caplog.text


def test_more_than_a_days_share_is_for_later(intake: Intake, signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_BY_MAIL", 0)
    assert offer(intake, COLLECT, signed)[0] == 452


def test_a_bounce_is_noted(intake: Intake, bills: SigningIdentity, now: datetime) -> None:
    accepted = send(bills, letter("bob@people.example.org"), at=now)
    Message.objects.update(status=MessageStatus.HANDED, content=None)
    message_id = accepted.messages[0].message_id
    assert offer(intake, BOUNCES, dsn(message_id), sender="")[0] == 250
    assert Message.objects.get().status == MessageStatus.BOUNCED
    assert offer(intake, BOUNCES, dsn("<nobodys@bank.example.com>"), sender="")[0] == 250, "nobody learns what we have sent"
    assert offer(intake, BOUNCES, b"Subject: x\r\n\r\nx\r\n", sender="")[0] == 554


def answered(line: str, holder: Holder, sender: str) -> bytes:
    entity = b"Content-Type: text/plain\r\n\r\n" + line.encode() + b"\r\n"
    return mail(signature(holder, [holder.der], entity=entity), sender=sender, entity=entity)


def test_a_signed_answer_proves(intake: Intake, authority: Authority, inbox_server: InboxServer, now: datetime) -> None:
    """Dora's certificate only signs; the line that her answer must hold is in the mail that she got."""
    dora, charlie = authority.leaf(DORA, "p256", Usage.SIGN), authority.leaf("charlie@shop.example.net", "p256", Usage.SIGN)
    publication = submit(address=EmailAddress.parse(DORA), der=dora.der, organization=None, actor="user:dora", at=now)
    deliver_notices(at=now + timedelta(seconds=10))
    found = re.search(rb"letterlock-publish-\w+", inbox_server.inbox.mails(DORA)[0].content)
    assert found
    line, to = found[0].decode(), f"proof+{publication.id}@{DOMAIN}"
    assert offer(intake, to, answered(line, charlie, DORA))[0] == 550
    assert offer(intake, to, answered("no such line", dora, DORA))[0] == 550
    assert offer(intake, f"proof+{uuid4()}@{DOMAIN}", answered(line, dora, DORA)) == (550, b"5.7.1 Not taken: no publication has this number")
    assert offer(intake, to, answered(line, dora, DORA))[0] == 250
    publication.refresh_from_db()
    assert publication.status == PublicationStatus.PUBLISHED
    assert offer(intake, to, answered(line, dora, DORA))[0] == 550, "once"


def test_lmtp_stores_for_each_recipient(intake: Intake, signed: bytes) -> None:
    with smtplib.LMTP(str(intake.socket)) as client:
        client.ehlo()
        client.mail(DORA)
        client.rcpt(COLLECT)
        client.rcpt(BOUNCES)
        client.docmd("DATA")
        client.send(re.sub(rb"(?m)^\.", b"..", signed) + b".\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 554]
    assert Consent.objects.count() == 1


def test_the_command_needs_to_know_where(settings: Settings) -> None:
    settings.LETTERLOCK_INTAKE_DOMAIN = ""
    with pytest.raises(CommandError, match="LETTERLOCK_INTAKE_DOMAIN"):
        call_command("intake")
    settings.LETTERLOCK_INTAKE_DOMAIN, settings.LETTERLOCK_INTAKE_SMTP = DOMAIN, "192.0.2.1:1"
    with pytest.raises(CommandError, match="Cannot listen"):
        call_command("intake")


def test_the_command_serves_and_ends_when_told(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lmtp.sock"
    environment = {**os.environ, "LETTERLOCK_INTAKE_DOMAIN": DOMAIN, "LETTERLOCK_INTAKE_LMTP": str(path)}
    process = subprocess.Popen([sys.executable, "manage.py", "intake"], cwd=settings.BASE_DIR, env=environment)
    try:
        while True:
            assert process.poll() is None
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(path))
                break
            except OSError:
                time.sleep(0.05)
        with smtplib.LMTP(str(path)) as client:
            assert client.ehlo()[0] == 250
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("value", ["2525", "127.0.0.1:x"])
def test_a_binding_that_is_none_is_named_at_the_start(value: str, settings: Settings) -> None:
    environment = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://x@/x", "REDIS_URL": "redis://x", "LETTERLOCK_POLICY_ARC": "1.3"}
    command = [sys.executable, "-c", "import portal.settings"]
    environment["LETTERLOCK_INTAKE_SMTP"] = value
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "LETTERLOCK_INTAKE_SMTP: must look like" in done.stderr
