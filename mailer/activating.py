"""The end of an issuance: its certificate is in the directory and its identity signs, or it is not wanted there and both are ended."""

from datetime import datetime

from directory.events import record
from directory.models import Certificate
from mailer import identities
from mailer.ca.errors import RefusedError, StaleLedgerError
from mailer.ca.ledger import Step, move
from mailer.ca.shards import Reason
from mailer.forgetting import let_in
from mailer.models import Issuance, IssuanceStatus, SigningIdentity, SigningIdentityStatus
from mailer.revoking import revoke


def activate(issuance: Issuance, certificate: Certificate, *, actor: str, at: datetime) -> None:
    """Note that the directory has it, and let the identity sign with it; whose address was erased is in again, as its organisation wishes.

    Raises StaleLedgerError, RefusedError, WrongIdentityStateError, MissingKeyError.
    """
    if issuance.identity_id is None:
        raise RefusedError("the row names no signing identity")
    move(issuance.id, Step.PUBLISH, actor=actor, at=at, expect={"published_at": None}, facts={"published_at": at, "lease_until": None})
    identities.move(issuance.identity_id, SigningIdentityStatus.ACTIVE, actor=actor, at=at, facts={"certificate": certificate})
    if let_in(certificate.mailbox.match):
        record(actor=actor, verb="mailbox.let_in", subject=f"issuance:{issuance.id}", organization=issuance.organization, at=at)


def withdraw(issuance: Issuance, *, actor: str, at: datetime, reason: str) -> None:
    """Revoke what was issued and never published, and free the address of the identity that waited for it. What is ended already stays so."""
    if Issuance.objects.filter(pk=issuance.pk, status=IssuanceStatus.ISSUED).exists():
        try:
            revoke(issuance_id=issuance.id, reason=Reason.PRIVILEGE_WITHDRAWN, actor=actor, at=at)
        except StaleLedgerError:
            return  # revoked by somebody else meanwhile, and its identity with it
    waiting = SigningIdentity.objects.filter(issuances=issuance.id, status=SigningIdentityStatus.PENDING).values_list("id", flat=True).first()
    if waiting is not None:
        identities.move(waiting, SigningIdentityStatus.RETIRED, actor=actor, at=at, reason=reason, facts={"encrypted_key": None})
