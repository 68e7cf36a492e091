"""BouncyCastle does the same work as sealing does: its envelopes open, and what is in them verifies."""

import subprocess
from pathlib import Path

import pytest

from bench import sealing
from bench.errors import NotMeasuredError
from bench.floors import bouncycastle as floor
from bench.floors.bouncycastle import JARS, PACKAGES, bouncycastle
from mailer.smime.encoding import base64_lines
from mailer.smime.entity import Content, build_entity
from tests.interop.engine import Requirement, need
from tests.mailer.smime.conftest import OpenSsl
from tests.pki import Authority, Usage

AUTHORITY = Authority("Bench")
ENTITY = build_entity(Content("Your statement", sealing.TEXT))
HEAD = b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_signs_and_encrypts_the_same_entity(tmp_path: Path, kind: str) -> None:
    need("BouncyCastle", Requirement(tuple(PACKAGES), (PACKAGES["default-jdk-headless"], *JARS)))
    bank, alice = AUTHORITY.leaf(sealing.BANK, kind, Usage.SIGN), AUTHORITY.leaf(sealing.ALICE, kind, Usage.ENCRYPT)
    charlie = AUTHORITY.leaf("charlie@example.org", kind, Usage.ENCRYPT)
    openssl = OpenSsl(tmp_path)
    with bouncycastle(bank, AUTHORITY.chain, alice, ENTITY) as rival:
        assert rival.seal(2) == 2
        first, second = rival.show(), rival.show()
    assert first != second
    opened = openssl.decrypt(HEAD + base64_lines(first), alice)
    assert openssl.verify(opened, AUTHORITY.roots_pem) == ENTITY
    assert opened.count(b"\r\n--=_") == 3
    with pytest.raises(subprocess.CalledProcessError):
        openssl.decrypt(HEAD + base64_lines(first), charlie)


def test_it_says_when_the_jvm_has_ended() -> None:
    need("BouncyCastle", Requirement(tuple(PACKAGES), (PACKAGES["default-jdk-headless"], *JARS)))
    bank, weak = AUTHORITY.leaf(sealing.BANK, "p256"), AUTHORITY.leaf(sealing.ALICE, "p256")
    with bouncycastle(bank, [b"not a certificate"], weak, ENTITY) as rival, pytest.raises(NotMeasuredError):
        rival.show()


def test_it_says_what_to_install_where_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no apt-get is found
    monkeypatch.setattr(floor, "PACKAGES", {"default-jdk-headless": "/nonexistent/javac"})
    with pytest.raises(NotMeasuredError, match=r"sudo apt-get install .* default-jdk-headless"):
        floor.install()
