"""What the cast owns: one of each thing that an address can name."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from directory.models import ApiToken, Level, Organization, Source
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.ca.ceremony import DEMO_MARK, KeyKind, Names, hold
from mailer.custody import require_key
from mailer.models import Authority, Batch, Consent, Message, MessageStatus, OnMissing, Publication, SigningIdentity
from onboarding.evidence import add
from onboarding.models import Application, Evidence, User
from onboarding.states import Status
from tests.pki import Authority as TestAuthority
from tests.pki import Usage

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
)


@dataclass
class Possessions:
    applications: dict[Status, tuple[Application, Evidence]]
    message: Message
    publication: Publication
    contribution: Consent
    fingerprint: str
    issuer: str
    token: ApiToken


def _application(applicant: User, status: Status, at: datetime) -> tuple[Application, Evidence]:
    """An application with one document, put into a status as if everything before had happened."""
    application = Application.objects.create(
        applicant=applicant, legal_name="Applicant GmbH", country="DE", dns_value=f"letterlock={status}", created_at=at
    )
    document = add(application, filename="extract.pdf", content=PDF, actor=applicant, at=at)
    if status is not Status.DRAFT:
        Application.objects.filter(pk=application.pk).update(status=status, submitted_at=at)
    return application, document


def possess(organization: Organization, applicant: User, token: ApiToken, at: datetime) -> Possessions:
    applications = {status: _application(applicant, status, at) for status in (Status.SUBMITTED, Status.WAITING, Status.DRAFT)}
    hold(Names("DE", "Letterlock Demo", DEMO_MARK), kind=KeyKind.P384, kek=require_key("LETTERLOCK_CA_KEK"), actor="system:ceremony", at=at)
    leaf = TestAuthority().leaf("carol@customers.example.com", "p256", Usage.DUAL)
    certificate = publish(
        address=EmailAddress.parse("carol@customers.example.com"),
        parsed=parse_certificate(leaf.der),
        level=Level.EXTERNAL,
        source=Source.UPLOADED,
        actor="user:carol",
        at=at,
    )
    publication = Publication.objects.create(
        organization=organization,
        address="carol@customers.example.com",
        match="carol@customers.example.com",
        der=leaf.der,
        fingerprint=certificate.fingerprint,
        actor=f"token:{token.prefix}",
        created_at=at,
        expires_at=at + timedelta(days=1),
    )
    contribution = Consent.objects.create(organization=organization, actor=f"token:{token.prefix}", created_at=at, expires_at=at + timedelta(days=14))
    identity = SigningIdentity.objects.create(
        organization=organization, address="bills@bank.example.com", match="bills@bank.example.com", created_at=at
    )
    batch = Batch.objects.create(
        organization=organization,
        identity=identity,
        idempotency_key="1",
        body_digest="0" * 64,
        on_missing=OnMissing.HOLD,
        actor="token:x",
        accepted_at=at,
    )
    message = Message.objects.create(
        batch=batch, position=0, organization=organization, recipient="dave@customers.example.com", match="dave@customers.example.com",
        message_id=f"<{uuid.uuid4()}@bank.example.com>", subject_digest="0" * 64, size=1, status=MessageStatus.FAILED,
        not_before=at, expires_at=at + timedelta(days=14), accepted_at=at, updated_at=at,
    )  # fmt: skip
    issuer = Authority.objects.exclude(parent=None).get().slug
    return Possessions(applications, message, publication, contribution, certificate.fingerprint, issuer, token)
