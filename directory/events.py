"""The directory's audit trail. Each change leaves a row in its own transaction; the database refuses to alter one."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from directory.models import DirectoryEvent, Organization


class Verb(StrEnum):
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_REINSTATED = "organization.reinstated"
    CERTIFICATE_PUBLISHED = "certificate.published"
    CERTIFICATE_SUPERSEDED = "certificate.superseded"
    CERTIFICATE_REVOKED = "certificate.revoked"
    CERTIFICATE_ERASED = "certificate.erased"
    CERTIFICATES_IMPORTED = "certificates.imported"
    CERTIFICATE_JUDGED = "certificate.judged"
    AUTHORITY_ADDED = "authority.added"
    AUTHORITY_REMOVED = "authority.removed"
    REVOCATION_SOURCE_ADDED = "revocation_source.added"
    REVOCATION_SOURCE_REMOVED = "revocation_source.removed"
    REVOCATION_LIST_KEPT = "revocation_list.kept"
    MAILBOX_HIDDEN = "mailbox.hidden"
    MAILBOX_SHOWN = "mailbox.shown"
    MAILBOX_ERASED = "mailbox.erased"
    INVITATIONS_ASKED = "invitations.asked"
    TOKEN_MADE = "token.made"  # noqa: S105 - the name of an event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an event


def record(
    *,
    actor: str,
    verb: str,
    subject: str,
    at: datetime,
    organization: Organization | None = None,
    detail: Mapping[str, object] | None = None,
) -> DirectoryEvent:
    """Write down what `actor` did to `subject` ("kind:id", never an address: rows outlive an erasure). Call inside the change's transaction."""
    return DirectoryEvent.objects.create(actor=actor, verb=verb, subject=subject, at=at, organization=organization, detail=dict(detail or {}))
