"""The cast of the pages: people with and without the second factor, and letters of Alice's organisation."""

import hashlib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from directory.models import Certificate, Level, Organization, Source
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.models import Batch, Message, MessageStatus, SigningIdentity, SigningIdentityStatus
from tests.pki import Authority, Usage
from tests.portal.people import Cast, assemble

CONTENT = {MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.HELD}
SEALED = {MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.UNKNOWN}
Letter = Callable[..., Message]
Published = Callable[..., Certificate]


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def cast(db: None, now: datetime) -> Cast:  # noqa: ARG001 - the tables
    return assemble(now - timedelta(minutes=1))


@pytest.fixture
def letter(cast: Cast, now: datetime) -> Letter:
    """Write a letter of Alice's organisation, or of another, straight into the send log."""

    def write(
        recipient: str = "dora@example.com",
        status: MessageStatus = MessageStatus.HANDED,
        *,
        reference: str = "",
        at: datetime | None = None,
        organization: Organization | None = None,
        certificate: str = "",
    ) -> Message:
        owner = organization or cast.organization
        identity, _ = SigningIdentity.objects.get_or_create(
            organization=owner, address="bills@bank.example.com", match="bills@bank.example.com",
            defaults={"status": SigningIdentityStatus.ACTIVE, "created_at": now},
        )  # fmt: skip
        batch = Batch.objects.create(
            organization=owner, identity=identity, idempotency_key=uuid.uuid4().hex, body_digest="0" * 64, actor="token:test", accepted_at=now
        )
        return Message.objects.create(
            batch=batch,
            position=0,
            organization=owner,
            recipient=recipient,
            match=recipient,
            message_id=f"<{uuid.uuid4()}@bank.example.com>",
            reference=reference,
            subject_digest=hashlib.sha256(b"subject").hexdigest(),
            size=1234,
            status=status,
            content=b"encrypted" if status in CONTENT else None,
            sealed=b"sealed" if status in SEALED else None,
            certificate=certificate,
            not_before=now,
            expires_at=now + timedelta(days=14),
            accepted_at=at or now,
            updated_at=at or now,
        )

    return write


@pytest.fixture
def published(db: None, now: datetime) -> Published:  # noqa: ARG001 - the tables
    """Publish a certificate of an address."""
    authority = Authority()

    def write(
        address: str, *, usage: Usage = Usage.ENCRYPT, key: str = "p256", level: Level = Level.V1, days: tuple[int, int] = (-1, 365)
    ) -> Certificate:
        der = authority.leaf(address, key, usage, days=days).der
        return publish(
            address=EmailAddress.parse(address), parsed=parse_certificate(der), level=level, source=Source.UPLOADED, actor="user:test", at=now
        )

    return write


@pytest.fixture(autouse=True)
def _a_wide_quota(settings: Settings) -> None:
    """Tests look up more in a minute than one person may."""
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 100_000
