"""The cast with certificates, and OpenSSL as the foreign program that opens and verifies."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.smime.entity import Content
from mailer.smime.message import seal
from mailer.smime.recipients import Recipient
from mailer.smime.sign import Signer
from tests.pki import Authority, Holder, Usage

BANK = "bills@bank.example.com"
ALICE, BOB, CHARLIE = "alice@example.net", "bob@example.net", "charlie@example.org"
SIGNER_KINDS = RECIPIENT_KINDS = ("rsa2048", "rsa3072", "p256", "p384")


@dataclass(frozen=True)
class OpenSsl:
    """`openssl cms` in a folder of its own; a refusal is a CalledProcessError."""

    folder: Path

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", "cms", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=30)

    def decrypt(self, message: bytes, holder: Holder) -> bytes:
        for name, data in (("message.eml", message), ("holder.crt", holder.pem), ("holder.key", holder.key_pem)):
            (self.folder / name).write_bytes(data)
        self._run("-decrypt", "-in", "message.eml", "-recip", "holder.crt", "-inkey", "holder.key", "-out", "opened.eml")
        return (self.folder / "opened.eml").read_bytes()

    def verify(self, entity: bytes, root_pem: bytes) -> bytes:
        (self.folder / "signed.eml").write_bytes(entity)
        (self.folder / "root.pem").write_bytes(root_pem)
        self._run("-verify", "-in", "signed.eml", "-CAfile", "root.pem", "-purpose", "smimesign", "-out", "content.eml")
        return (self.folder / "content.eml").read_bytes()


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    return OpenSsl(tmp_path)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("Mail")


@pytest.fixture(scope="session")
def other_authority() -> Authority:
    return Authority("Other")


@pytest.fixture(scope="session")
def at() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def signer_of(authority: Authority, kind: str = "p256", email: str = BANK) -> Signer:
    holder = authority.leaf(email, kind, Usage.SIGN, organization="Example Bank")
    return Signer(holder.key, holder.der, authority.chain)


Sealer = Callable[..., bytes]


@pytest.fixture
def seal_for(authority: Authority, at: datetime) -> Sealer:
    """Seal a content from the bank to Alice for some holders' certificates."""

    def sealed(content: Content, *holders: Holder, signer: Signer | None = None, neutral_subject: str | None = None) -> bytes:
        return seal(
            content,
            sender=BANK,
            sender_name="Example Bank, Berlin",
            recipient=ALICE,
            signer=signer or signer_of(authority),
            recipients=[Recipient.from_certificate(holder.der) for holder in holders],
            message_id="<statement-7@bank.example.com>",
            at=at,
            neutral_subject=neutral_subject,
        )

    return sealed
