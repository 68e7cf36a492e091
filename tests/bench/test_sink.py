"""The sink speaks enough SMTP for a strict client, whatever is in the mail."""

import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.running import servers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    free = servers.free_port(0)
    child = subprocess.Popen([sys.executable, "-m", "bench.sink", str(free)], cwd=ROOT)
    try:
        yield free
    finally:
        child.kill()
        child.wait()


def connected(port: int) -> smtplib.SMTP:
    deadline = time.monotonic() + 20
    while True:
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=5)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("mail", [b"", b"\r\n", b"Subject: x\r\n\r\nQUIT\r\n", b"a\r\n.\r\nb\r\n", b"x" * 300_000 + b"\r\n"], ids=range(5))
def test_it_takes_one_mail_after_another(port: int, mail: bytes) -> None:
    with connected(port) as smtp:
        for _ in range(3):
            assert smtp.mail("bills@bank.example.com")[0] == smtp.rcpt("alice@example.net")[0] == 250
            assert smtp.data(mail)[0] == 250
        assert smtp.quit()[0] == 221
