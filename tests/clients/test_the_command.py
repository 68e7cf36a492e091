"""`letterlock lookup | seal | verify` as a process of its own, its exit codes and its words."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from portal.running.inbox import InboxServer
from tests.clients.conftest import BOB, CAROL, SENDER, Publish
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk

SOURCE = Path(__file__).resolve().parents[2] / "clients" / "python" / "src"
Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def command(reach: dict[str, str], tmp_path: Path) -> Command:
    """Run `letterlock` with arguments; `given` is its standard input."""

    def run(*arguments: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **reach, **variables}
        program = [sys.executable, "-m", "letterlock", *arguments]
        return subprocess.run(program, input=given, capture_output=True, cwd=tmp_path, env=environment, timeout=60, check=False)

    return run


@pytest.fixture
def key_options(key_files: dict[str, str]) -> list[str]:
    return ["--key", key_files["key"], "--cert", key_files["certificate"], "--chain", key_files["chain"]]


def test_lookup_shows_who_has_a_certificate(command: Command, publish: Publish) -> None:
    holder = publish(BOB)
    done = command("lookup", BOB)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(f"{BOB}: found\n  * ".encode())
    assert command("lookup", "--pem", BOB).stdout == holder.pem
    [answer] = json.loads(command("lookup", "--json", "--receipt", BOB).stdout)
    assert (answer["status"], answer["receipt"][0]["reason"]) == ("found", "selected")


def test_lookup_ends_in_1_where_one_has_none(command: Command, publish: Publish) -> None:
    holder = publish(BOB)
    done = command("lookup", BOB, CAROL, "no address")
    assert done.returncode == 1
    assert f"{CAROL}: none\nno address: malformed\n".encode() in done.stdout
    done = command("lookup", "--pem", BOB, CAROL)
    assert (done.returncode, done.stdout, done.stderr) == (1, holder.pem, f"{CAROL}: none\n".encode())


def test_seal_writes_a_mail_that_openssl_opens(command: Command, publish: Publish, key_options: list[str], desk: Desk, tmp_path: Path) -> None:
    bob = publish(BOB)
    (tmp_path / "Auszug.pdf").write_bytes(b"%PDF-1.7")
    who = ("--from", SENDER, "--from-name", "Muster Bank", "--to", BOB)
    what = ("--subject", SUBJECT, "--neutral-subject", "Sealed", "--attach", "Auszug.pdf", "-o", "mail.eml")
    done = command("seal", *who, *what, *key_options, given=SECRET_WORDS.encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    octets = (tmp_path / "mail.eml").read_bytes()
    assert message_from_bytes(octets, policy=SMTP)["Subject"] == "Sealed"
    opened = desk.open(octets, bob)
    assert opened.words.strip().endswith(SECRET_WORDS)
    assert opened.signer == SENDER
    assert [part.get_filename() for part in opened.mail.walk() if part.get_filename()] == ["Auszug.pdf"]


def test_seal_hands_over_by_smtp(command: Command, publish: Publish, key_options: list[str], desk: Desk, inbox_server: InboxServer) -> None:
    holders = {BOB: publish(BOB), CAROL: publish(CAROL)}
    done = command("seal", "--from", SENDER, "--to", BOB, "--to", CAROL, "--smtp", inbox_server.url, *key_options, given=SECRET_WORDS.encode())
    assert done.returncode == 0, done.stderr
    for address, holder in holders.items():
        [mail] = inbox_server.inbox.mails(address)
        assert mail.recipients == (address,)
        assert desk.open(mail.content, holder).words.strip() == SECRET_WORDS
        assert address.encode() in done.stderr
    inbox_server.room.refusals[BOB] = "550 nobody here"
    done = command("seal", "--from", SENDER, "--to", BOB, "--smtp", *key_options, LETTERLOCK_SMTP_URL=inbox_server.url)
    assert (done.returncode, done.stderr) == (3, b"letterlock: the SMTP server did not take the mail: 550 nobody here\n")


def test_seal_gives_nothing_where_one_has_no_certificate(
    command: Command, publish: Publish, key_options: list[str], inbox_server: InboxServer, tmp_path: Path
) -> None:
    publish(BOB)
    many = command("seal", "--from", SENDER, "--to", BOB, "--to", CAROL, "--smtp", inbox_server.url, *key_options, given=SECRET_WORDS.encode())
    one = command("seal", "--from", SENDER, "--to", CAROL, "-o", "mail.eml", *key_options, given=SECRET_WORDS.encode())
    for done in (many, one):
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr == f"letterlock: no certificate to encrypt to for {CAROL}; nothing was sealed\n".encode()
    assert inbox_server.inbox.mails() == []
    assert not (tmp_path / "mail.eml").exists()


def test_verify_tells_who_signed(command: Command, publish: Publish, key_options: list[str], key_files: dict[str, str], tmp_path: Path) -> None:
    bob = publish(BOB)
    (tmp_path / "bob.key").write_bytes(bob.key_pem)
    (tmp_path / "bob.crt").write_bytes(bob.pem)
    command("seal", "--from", SENDER, "--to", BOB, "-o", "mail.eml", *key_options, given=SECRET_WORDS.encode())
    opening = ("--key", "bob.key", "--cert", "bob.crt")
    done = command("verify", "mail.eml", "--ca", key_files["root"], *opening)
    assert (done.returncode, done.stdout) == (0, f"verified: signed by {SENDER} and encrypted\n".encode())
    assert SECRET_WORDS.encode() in command("verify", "mail.eml", "--ca", key_files["root"], "--content", *opening).stdout
    told = json.loads(command("verify", "-", "--json", "--ca", key_files["root"], *opening, given=(tmp_path / "mail.eml").read_bytes()).stdout)
    assert (told["outcome"], told["addresses"]) == ("verified", [SENDER])
    for arguments, outcome in (
        (("--ca", key_files["root"]), "not_opened"),
        (("--ca", "bob.crt", *opening), "untrusted"),
        (("--ca", key_files["root"], "--require-revocation", *opening), "unknown_revocation"),
    ):
        done = command("verify", "mail.eml", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", f"letterlock: not verified: {outcome}\n".encode())
        assert command("verify", "mail.eml", "--content", *arguments).stdout == b""


def test_wrong_use_ends_in_2_and_says_what(command: Command, publish: Publish, key_options: list[str], key_files: dict[str, str]) -> None:
    publish(BOB)
    sealing = ("seal", "--from", SENDER, "--to", BOB)
    for arguments, words in (
        ((), "the following arguments are required"),
        (("lookup",), "the following arguments are required"),
        (("lookup", "bob"), "'bob' is not an address"),
        (("lookup", "--url", "http://letterlock.example.com", BOB), "by https only"),
        (("lookup", "--url", "", BOB), "no server"),
        ((*sealing, "--key", "missing.pem", "--cert", key_files["certificate"]), "missing.pem cannot be read"),
        ((*sealing, "--key", key_files["certificate"], "--cert", key_files["certificate"]), "the private key cannot be read"),
        ((*sealing, "--key", key_files["key"]), "the PKCS#12 file cannot be read"),
        ((*sealing, "--to", CAROL, *key_options), "each recipient has a mail of their own"),
        ((*sealing, "--text", "missing.txt", *key_options), "missing.txt"),
        ((*sealing, "--subject", "a\nBcc: charlie@shop.example.net", *key_options), "subject"),
        ((*sealing, "--smtp", "smtp://a:b@[", *key_options), "the SMTP server's address"),
        (("seal", "--from", "charlie@shop.example.net", "--to", BOB, *key_options), "does not name charlie@shop.example.net"),
        (("verify", "missing.eml", "--ca", key_files["root"]), "missing.eml"),
        (("verify", "missing.eml", "--ca", key_files["key"]), "holds no certificate"),
    ):
        done = command(*arguments, given=b"text")
        assert done.returncode == 2, (arguments, done)
        assert words in done.stderr.decode(), arguments
        assert b"Traceback" not in done.stderr
        assert b"PRIVATE" not in done.stderr


def test_a_server_that_cannot_be_used_ends_in_3(command: Command, token: str) -> None:
    done = command("lookup", BOB, LETTERLOCK_TOKEN=token[:-1] + "x")
    assert done.returncode == 3
    assert done.stderr.startswith(b"letterlock: 401 ")
    assert token[:-1].encode() not in done.stderr
    assert command("lookup", "--url", "http://127.0.0.1:1", BOB).returncode == 3
