"""What the outbox's tests share: an organisation's sending address, recipients with keys, and `openssl` to open what arrived."""

import subprocess
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import SMTP
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from directory.models import Certificate, Organization
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.custody import require_key, seal_secret
from mailer.issuing import key_context
from mailer.message_rows import OutgoingMessage
from mailer.models import Message, OnMissing, SendEvent, SigningIdentity, SigningIdentityStatus
from mailer.outbox import Accepted, accept
from mailer.smime.entity import Attachment, Content
from tests.pki import Authority, Holder, Usage

ALICE, CHARLIE = "user:alice", "user:charlie"
SECRET_WORDS = "Your balance is 1,234.56 EUR"
SUBJECT = "Statement 11/2026"


def make_identity(organization: Organization, address: str, authority: Authority, *, at: datetime) -> SigningIdentity:
    """An active identity whose certificate is of the tests' own authority, its key sealed for the workers."""
    parsed = EmailAddress.parse(address)
    holder = authority.leaf(address, "rsa2048", Usage.SIGN, organization=organization.legal_name)
    certificate = publish(
        address=parsed, parsed=parse_certificate(holder.der), level="V4", source="issued", organization=organization, actor=ALICE, at=at
    )
    identity = SigningIdentity(
        organization=organization,
        address=parsed.address,
        match=parsed.match,
        status=SigningIdentityStatus.ACTIVE,
        certificate=certificate,
        chain=authority.chain,
        created_at=at,
    )
    key = holder.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    identity.encrypted_key = seal_secret(require_key("LETTERLOCK_SIGNING_KEK"), key, context=key_context(identity.id))
    identity.save()
    return identity


def publish_for(holder: Holder, address: str, *, at: datetime) -> Certificate:
    parsed = parse_certificate(holder.der)
    return publish(address=EmailAddress.parse(address), parsed=parsed, level="external", source="uploaded", actor=CHARLIE, at=at)


def letter(to: str, *, text: str = SECRET_WORDS, html: str | None = None, attachments: list[Attachment] | None = None) -> OutgoingMessage:
    return OutgoingMessage(EmailAddress.parse(to), Content(SUBJECT, text, html, attachments or []), reference=f"ref-{to}")


def send(
    identity: SigningIdentity, *items: OutgoingMessage, at: datetime, on_missing: OnMissing = OnMissing.HOLD, key: str = "", actor: str = ALICE
) -> Accepted:
    return accept(
        organization=identity.organization,
        sender=EmailAddress.parse(identity.address),
        items=items,
        on_missing=on_missing,
        idempotency_key=key or str(uuid4()),
        body_digest="0" * 64,
        actor=actor,
        at=at,
    )


def only_message() -> Message:
    return Message.objects.get()


def history(message: Message) -> list[str]:
    return list(SendEvent.objects.filter(message=message).order_by("id").values_list("event", flat=True))


@dataclass(frozen=True)
class Opened:
    """What `openssl` made of a received mail: the inner entity, and the certificate that signed it."""

    mail: Mail
    signer: str

    @property
    def words(self) -> str:
        part = self.mail if not self.mail.is_multipart() else next(part for part in self.mail.walk() if part.get_content_type() == "text/plain")
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        return payload.decode()


@dataclass(frozen=True)
class Desk:
    """A recipient's desk: a folder in which `openssl` opens mail, and the authority that it trusts."""

    authority: Authority
    folder: Path

    def open(self, mail: bytes, holder: Holder) -> Opened:
        """Decrypt with the recipient's key and verify the signature up to the authority's root."""
        (self.folder / "signed.eml").write_bytes(self.decrypt(mail, holder))
        (self.folder / "roots.pem").write_bytes(self.authority.roots_pem)
        verify = ("cms", "-verify", "-in", "signed.eml", "-CAfile", "roots.pem", "-purpose", "smimesign")
        _run(self.folder, *verify, "-signer", "signer.pem", "-out", "entity")
        signer = _run(self.folder, "x509", "-in", "signer.pem", "-noout", "-email").strip()
        return Opened(message_from_bytes((self.folder / "entity").read_bytes(), policy=SMTP), signer)

    def decrypt(self, mail: bytes, holder: Holder) -> bytes:
        """The content of a sealed mail."""
        for name, content in (("mail.eml", mail), ("key.pem", holder.key_pem), ("crt.pem", holder.pem)):
            (self.folder / name).write_bytes(content)
        _run(self.folder, "cms", "-decrypt", "-in", "mail.eml", "-recip", "crt.pem", "-inkey", "key.pem", "-out", "content")
        return (self.folder / "content").read_bytes()


def _run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
