"""The story's verdict is openssl's: a mail that does not decrypt, verify or hold the text fails it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.running.nameserver import Zone
from portal.running.received import Inbox
from portal.running.story.openssl import OpensslError, Recipient, accepts, openssl
from portal.running.story.sending import check_invitation, open_all
from portal.running.story.stage import Stage, StoryError

SAY = "Your balance is 1.00 信"
SUBJECT = "Your statement 5eed"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage("http://127.0.0.1:1", Inbox(tmp_path / "inbox"), Zone(tmp_path / "zone.json"), tmp_path, SAY, 1, marker="5eed")


@pytest.fixture
def bank(tmp_path: Path) -> Recipient:
    """A signer who is its own root, with a CRL of its own."""
    bank = Recipient("bills@bank.example.com", tmp_path, "bank")
    subject = ["-subj", "/CN=Bank", "-days", "2", "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
    extensions = ["-addext", "subjectAltName=email:bills@bank.example.com", "-addext", "basicConstraints=critical,CA:TRUE"]
    (tmp_path / "plain.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n[ca]\ndefault_ca=one\n[one]\ndatabase=index\ndefault_md=sha256\n")
    openssl(
        "req",
        "-x509",
        "-config",
        tmp_path / "plain.cnf",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        bank.key,
        "-out",
        bank.certificate,
        *subject,
        *extensions,
    )
    return bank


def letter(bank: Recipient, to: Recipient, text: str) -> bytes:
    signed = openssl(
        "cms",
        "-sign",
        "-signer",
        bank.certificate,
        "-inkey",
        bank.key,
        feed=f"Content-Type: text/plain; charset=utf-8\nSubject: {SUBJECT}\n\n{text}\n".encode(),
    )
    return openssl("cms", "-encrypt", "-aes256", to.certificate, feed=signed)


def receive(stage: Stage, to: Recipient, *contents: bytes) -> None:
    for content in contents:
        stage.inbox.keep("bills@bank.example.com", [to.address], content, at=datetime.now(UTC))


@pytest.mark.parametrize("curve", [None, "P-256"])
def test_it_opens_what_is_sealed_to_the_recipient(stage: Stage, bank: Recipient, curve: str | None) -> None:
    bob = Recipient("bob@example.net", stage.out, "bob")
    bob.make_key(curve=curve)
    assert bob.key.stat().st_mode & 0o777 == 0o600
    bob.mail.write_bytes(letter(bank, bob, SAY))
    assert SAY.encode() in bob.opened(bank.certificate, stage.out / "signer.pem")
    assert openssl("x509", "-in", bob.certificate, "-noout", "-email").decode().strip() == bob.address


def test_it_fails_a_mail_for_somebody_else(stage: Stage, bank: Recipient) -> None:
    bob, charlie = (Recipient(f"{name}@example.net", stage.out, name) for name in ("bob", "charlie"))
    bob.make_key(curve="P-256")
    charlie.make_key(curve="P-256")
    receive(stage, bob, b"proof\r\n", letter(bank, charlie, SAY))
    with pytest.raises(OpensslError, match="-decrypt"):
        open_all(stage, [bob], bank.certificate, stage.out / "crl.pem")


def test_it_fails_a_signer_outside_the_chain(stage: Stage, bank: Recipient) -> None:
    bob, other = (Recipient(f"{name}@example.net", stage.out, name) for name in ("bob", "other"))
    bob.make_key(curve="P-256")
    other.make_key()
    receive(stage, bob, b"proof\r\n", letter(bank, bob, SAY))
    with pytest.raises(OpensslError, match="-verify"):
        open_all(stage, [bob], other.certificate, stage.out / "crl.pem")


def test_it_fails_a_mail_with_another_text_and_one_in_clear(stage: Stage, bank: Recipient) -> None:
    bob = Recipient("bob@example.net", stage.out, "bob")
    bob.make_key(curve="P-256")
    receive(stage, bob, b"proof\r\n", letter(bank, bob, "Something else"))
    with pytest.raises(StoryError, match="holds something else"):
        open_all(stage, [bob], bank.certificate, stage.out / "crl.pem")
    stage.inbox.clear()
    receive(stage, bob, b"proof\r\n", f"Subject: x\r\n\r\n{SAY}\r\n".encode())
    with pytest.raises(StoryError, match="shows its text"):
        open_all(stage, [bob], bank.certificate, stage.out / "crl.pem")


def test_it_fails_a_signer_without_a_valid_list(stage: Stage, bank: Recipient) -> None:
    bob = Recipient("bob@example.net", stage.out, "bob")
    bob.make_key()
    with pytest.raises(OpensslError, match="crl_check"):
        accepts(bob.certificate, bank.certificate, bank.certificate)


@pytest.mark.parametrize("content", [f"Content-Type: text/plain; charset=utf-8\r\n\r\n{SAY}\r\n", f"Subject: {SUBJECT}\r\n\r\nCome\r\n"])
def test_it_fails_an_invitation_that_tells_the_content(stage: Stage, content: str) -> None:
    stage.inbox.keep("", ["dora@example.org"], content.encode(), at=datetime.now(UTC))
    with pytest.raises(StoryError, match="tells what the message says"):
        check_invitation(stage, "dora@example.org", "bills@bank.example.com")


def test_it_fails_a_second_invitation(stage: Stage) -> None:
    for _ in range(2):
        stage.inbox.keep("", ["dora@example.org"], b"Subject: x\r\n\r\nCome\r\n", at=datetime.now(UTC))
    with pytest.raises(StoryError, match="got 2 mails"):
        check_invitation(stage, "dora@example.org", "bills@bank.example.com")


def test_it_takes_no_short_text_for_a_leak(stage: Stage) -> None:
    stage.say = "hi"
    stage.inbox.keep("", ["dora@example.org"], b"Subject: x\r\n\r\nSomething waits for you, which\r\n", at=datetime.now(UTC))
    check_invitation(stage, "dora@example.org", "bills@bank.example.com")
