"""DKIM: as RFC 8463's example has it, judged by dkimpy, and broken by every change that matters."""

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from django.conf import settings as django_settings
from django.core.management import call_command
from pytest_django import Settings

from directory.x509.names import EmailAddress
from mailer import domain_signing
from mailer.dkim import DkimError, DomainSigner, body_hash, covered
from mailer.domain_keys import read_folder
from mailer.models import Message, SigningIdentity
from mailer.notices import deliver_notices, send_notice
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.interop.engine import Requirement, need
from tests.mailer.false_relays import END, FalseRelay, running, say
from tests.mailer.letters import Desk, letter, publish_for, send

TO = "bob@people.example.org"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MAIL = (
    b"From: Bank <bills@bank.example.com>\r\nTo: bob@people.example.org\r\nSubject: one  two\r\n three\t\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\n"
    b"Message-ID: <x@bank.example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nX-Other: y\r\n\r\nHello  you \r\n\t\r\n.\r\n\r\n\r\n"
)
KEYS: dict[str, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey] = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
# Debian's dkimpy, in Debian's Python: someone else's reading of the same RFCs.
PACKAGES = Path("/usr/lib/python3/dist-packages")
DKIMPY = Requirement(("python3-dkim", "python3-nacl"), (str(PACKAGES / "dkim" / "__init__.py"), str(PACKAGES / "nacl" / "__init__.py")))
VERIFY = """
import dkim, json, sys
records, mail = json.loads(sys.argv[1]), sys.stdin.buffer.read()
print(dkim.verify(mail, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None))
"""


def judged(mail: bytes, records: Mapping[str, str]) -> bool:
    """What dkimpy says of the first signature."""
    need("dkimpy", DKIMPY)
    done = subprocess.run(["/usr/bin/python3", "-c", VERIFY, json.dumps(records)], input=mail, capture_output=True, check=True, timeout=60)
    return done.stdout.strip() == b"True"


def signer(kind: str = "ed25519", domain: str = "bank.example.com") -> DomainSigner:
    return DomainSigner(domain, "mail", KEYS[kind])


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_it_makes_the_signature_of_rfc_8463() -> None:
    """Appendix A: the message, the Ed25519 key, and the signature that they give."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    assert b64encode(body_hash(body)) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    fields = [
        (b"from", b" Joe SixPack <joe@football.example.com>\r\n"),
        (b"to", b" Suzie Q <suzie@shopping.example.net>\r\n"),
        (b"subject", b" Is dinner ready?\r\n"),
        (b"date", b" Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"),
        (b"message-id", b" <20030712040037.46341.5F8J@football.example.com>\r\n"),
    ]
    names = [b"from", b"to", b"subject", b"date", b"message-id", b"from", b"subject", b"date"]
    field = (
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
        b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n"
        b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
    )
    signature = key.sign(sha256(covered(fields, names, field)).digest())
    assert b64encode(signature) == b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b"a", b"a\r\n"),
        (b" a \t b\t \r\n", b" a b\r\n"),
        (b"a\r\n \r\n\t\r\n", b"a\r\n"),
        (b"a\r\n\r\nb ", b"a\r\n\r\nb\r\n"),
    ],
)
def test_a_body_has_one_form(body: bytes, canonical: bytes) -> None:
    assert body_hash(body) == sha256(canonical).digest()


@pytest.mark.parametrize("kind", KEYS)
def test_another_program_verifies_it(kind: str) -> None:
    made = signer(kind)
    records = dict([made.record])
    signed = made.sign(MAIL, at=AT)
    assert signed.endswith(MAIL), "the mail itself is as it was"
    assert all(len(line) <= 78 for line in signed[: -len(MAIL)].split(b"\r\n"))
    assert judged(signed, records)
    assert judged(signed.replace(b"one  two\r\n three", b"one two three").replace(b"you \r\n", b"you\r\n"), records), "as relays may fold it"


CHANGES = {
    "body": (b"Hello", b"Hallo"),
    "subject": (b"one", b"two"),
    "second From": (b"MIME-Version", b"From: charlie@shop.example.net\r\nMIME-Version"),
    "first From": (b"From: Bank", b"From: charlie@shop.example.net\r\nFrom: Bank"),
    "Reply-To": (b"MIME-Version", b"Reply-To: charlie@shop.example.net\r\nMIME-Version"),
    "second Content-Type": (b"X-Other", b"Content-Type: text/html\r\nX-Other"),
    "Cc": (b"X-Other", b"Cc: charlie@shop.example.net\r\nX-Other"),
    "appended": (b"\r\n.\r\n", b"\r\n.\r\nPay Charlie instead\r\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_charlie_changes_nothing_that_is_signed(change: str) -> None:
    made = signer()
    signed = made.sign(MAIL, at=AT).replace(*CHANGES[change])
    assert not judged(signed, dict([made.record]))


def test_a_key_of_charlies_makes_no_signature_of_the_banks() -> None:
    theirs = DomainSigner("bank.example.com", "mail", ed25519.Ed25519PrivateKey.generate())
    assert not judged(theirs.sign(MAIL, at=AT), dict([signer().record]))


def test_the_same_mail_has_the_same_signature() -> None:
    for kind in KEYS:
        assert signer(kind).sign(MAIL, at=AT) == signer(kind).sign(MAIL, at=AT)


@pytest.mark.parametrize(
    ("domain", "selector"),
    [("Bank.example.com", "mail"), ("bank", "mail"), ("bank.example.com; x=y", "mail"), ("bank.example.com", "ma\r\nil"), ("bücher.example", "mail")],
)
def test_it_takes_no_name_that_is_none(domain: str, selector: str) -> None:
    with pytest.raises(DkimError):
        DomainSigner(domain, selector, KEYS["ed25519"])


def keep(folder: Path, name: str, key: bytes, *, mode: int = 0o600) -> None:
    (folder / name).write_bytes(key)
    (folder / name).chmod(mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys of the bank and of the installation itself."""
    made = tmp_path / "dkim"
    made.mkdir()
    keep(made, "mail._domainkey.bank.example.com.pem", pem(KEYS["ed25519"]))
    keep(made, "a.2026._domainkey.portal.example.org.pem", pem(KEYS["rsa"]))
    return made


def test_it_reads_a_key_for_each_domain(folder: Path) -> None:
    assert {domain: signer.selector for domain, signer in read_folder(folder).items()} == {"bank.example.com": "mail", "portal.example.org": "a.2026"}


BAD_FILES = {
    "not named for a record": ("bank.example.com.pem", pem(KEYS["rsa"]), 0o600),
    "can be read by everybody": ("b._domainkey.shop.example.net.pem", pem(KEYS["rsa"]), 0o644),
    "not an unencrypted": ("b._domainkey.shop.example.net.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600),
    "under a password": (
        "b._domainkey.shop.example.net.pem",
        KEYS["rsa"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        0o600,
    ),
    "neither RSA nor Ed25519": ("b._domainkey.shop.example.net.pem", pem(ec.generate_private_key(ec.SECP256R1())), 0o600),
    "1024 bits": ("b._domainkey.shop.example.net.pem", pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), 0o600),  # noqa: S505 - what is refused
    "two keys": ("other._domainkey.bank.example.com.pem", pem(KEYS["rsa"]), 0o600),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_it_does_not_start_with_a_key_that_cannot_sign(fault: str, folder: Path) -> None:
    """The settings say which file it is, and nothing of what is in it."""
    name, key, mode = BAD_FILES[fault]
    keep(folder, name, key, mode=mode)
    with pytest.raises(DkimError) as caught:
        read_folder(folder)
    assert "bank.example.com" in str(caught.value) or name in str(caught.value)
    command = [sys.executable, "-c", "import portal.settings"]
    environment = {"SECRET_KEY": "x", "DATABASE_URL": "postgres://x@/x", "REDIS_URL": "redis://x", "LETTERLOCK_POLICY_ARC": "1.3"}
    environment["LETTERLOCK_DKIM_KEYS"] = str(folder)
    done = subprocess.run(command, cwd=django_settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode
    assert "LETTERLOCK_DKIM_KEYS: " in done.stderr
    assert "PRIVATE KEY" not in done.stderr


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_it_does_not_start_without_the_keys_that_it_was_promised(state: str, tmp_path: Path) -> None:
    with pytest.raises(DkimError, match="cannot be read" if state == "missing" else "has no key"):
        read_folder(tmp_path / "missing" if state == "missing" else tmp_path)


@pytest.fixture
def keys(folder: Path, settings: Settings) -> dict[str, str]:
    """The installation signs; the records of its keys."""
    settings.LETTERLOCK_DKIM_KEYS = str(folder)
    settings.LETTERLOCK_MAIL_FROM = "letterlock@portal.example.org"
    domain_signing._signers.cache_clear()
    return dict(signer.record for signer in read_folder(folder).values())


def domain_of(mail: bytes) -> str:
    field = str(message_from_bytes(mail, policy=SMTP)["DKIM-Signature"])
    return dict(tag.strip().split("=", 1) for tag in field.split(";"))["d"]


@pytest.mark.django_db
def test_sealed_mails_are_signed_by_their_senders_domain_or_ours(
    keys: dict[str, str], bills: SigningIdentity, offers: SigningIdentity, inbox_server: InboxServer, desk: Desk
) -> None:
    """The bank has a key here; for Charlie's shop the installation signs, as itself."""
    now = datetime.now(UTC)
    publish_for(desk.authority.leaf(TO), TO, at=now)
    for identity in (bills, offers):
        send(identity, letter(TO), at=now)
    drain(at=now)
    mails = {mail.sender: mail.content for mail in inbox_server.inbox.mails(TO)}
    assert {sender: domain_of(mail) for sender, mail in mails.items()} == {bills.address: "bank.example.com", offers.address: "portal.example.org"}
    assert all(judged(mail, keys) for mail in mails.values())


@pytest.mark.django_db
def test_what_is_kept_is_signed_once_and_sent_as_it_is(
    keys: dict[str, str], bills: SigningIdentity, inbox_server: InboxServer, settings: Settings, desk: Desk
) -> None:
    now = datetime.now(UTC)
    publish_for(desk.authority.leaf(TO), TO, at=now)
    send(bills, letter(TO), at=now)
    with running(FalseRelay({END: say(b"451 later\r\n")})) as relay:
        settings.LETTERLOCK_SMTP_URL = relay.url
        drain(at=now)
    kept = bytes(Message.objects.get().sealed or b"")
    assert judged(kept, keys)
    Message.objects.update(not_before=now)
    settings.LETTERLOCK_SMTP_URL = inbox_server.url
    drain(at=now)
    (mail,) = inbox_server.inbox.mails(TO)
    assert mail.content == kept


@pytest.mark.django_db
def test_the_portals_own_mails_are_signed_with_their_way_to_unsubscribe(keys: dict[str, str], inbox_server: InboxServer) -> None:
    """RFC 8058 section 4: both of its fields have to be covered."""
    now = datetime.now(UTC)
    context = {"name": "Zoë 中文", "url": "https://portal.example.org/x"}
    unsubscribe = "https://portal.example.org/never/" + "x" * 200
    send_notice(to=EmailAddress.parse(TO), kind="confirm_address", context=context, at=now, unsubscribe=unsubscribe)
    deliver_notices(at=now)
    (mail,) = inbox_server.inbox.mails(TO)
    assert mail.content.isascii()
    assert domain_of(mail.content) == "portal.example.org"
    assert judged(mail.content, keys)
    assert not judged(mail.content.replace(b"/never/x", b"/never/y"), keys)
    assert not judged(mail.content.replace(b"One-Click", b"Two-Click"), keys)


def test_without_keys_mails_stay_as_they_are(settings: Settings) -> None:
    settings.LETTERLOCK_DKIM_KEYS = ""
    assert domain_signing.signed(MAIL, sender="bills@bank.example.com", at=AT) is MAIL


def test_it_prints_what_to_publish(keys: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("dkim_records")
    printed = capsys.readouterr().out
    for name, text in keys.items():
        assert f'{name}. TXT "{text}"' in printed
