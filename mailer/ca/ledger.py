"""The ledger's states: one table, one `move`. A row says what may be signed before anything is signed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from mailer import identities
from mailer.ca.errors import StaleLedgerError
from mailer.models import Issuance, IssuanceStatus, LedgerEvent, SigningIdentity, SigningIdentityStatus


class Step(StrEnum):
    """ASSIGN and REDATE give a row its key, serial number and dates; PUBLISH notes that the directory has it."""

    ASSIGN = "assign"
    REDATE = "redate"
    ISSUE = "issue"
    PUBLISH = "publish"
    REFUSE = "refuse"
    REVOKE = "revoke"


TRANSITIONS: Mapping[tuple[IssuanceStatus, Step], IssuanceStatus] = {
    (IssuanceStatus.INTENDED, Step.ASSIGN): IssuanceStatus.SIGNING,
    (IssuanceStatus.INTENDED, Step.REFUSE): IssuanceStatus.REFUSED,
    (IssuanceStatus.SIGNING, Step.REDATE): IssuanceStatus.SIGNING,
    (IssuanceStatus.SIGNING, Step.ISSUE): IssuanceStatus.ISSUED,
    (IssuanceStatus.SIGNING, Step.REFUSE): IssuanceStatus.REFUSED,
    (IssuanceStatus.ISSUED, Step.PUBLISH): IssuanceStatus.ISSUED,
    (IssuanceStatus.ISSUED, Step.REVOKE): IssuanceStatus.REVOKED,
}


def move(
    issuance_id: UUID,
    step: Step,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
    expect: Mapping[str, object] | None = None,
    facts: Mapping[str, object] | None = None,
) -> IssuanceStatus:
    """Take a row one step on, together with `facts` and a line in the CA's log; compare-and-set on the status and on `expect`.

    Raises StaleLedgerError where the row is not, or no longer, in a state from which the step is possible.
    """
    # A step leads to one state alone, whatever it starts from: the table's test holds it so.
    begins = [before for (before, taken), _after in TRANSITIONS.items() if taken is step]
    after = TRANSITIONS[begins[0], step]
    with transaction.atomic():
        rows = Issuance.objects.filter(pk=issuance_id, status__in=begins, **(expect or {}))
        if rows.update(status=after, **(facts or {})) != 1:
            raise StaleLedgerError(f"issuance {issuance_id} cannot take the step {step} from where it is")
        LedgerEvent.objects.create(at=at, actor=actor, event=step, issuance_id=issuance_id, detail=reason)
    return after


def refuse(issuance_id: UUID, reason: str, *, actor: str, at: datetime) -> None:
    """Close a row for good and free the address of the identity that waited for it, in one transaction. Raises StaleLedgerError."""
    with transaction.atomic():
        move(issuance_id, Step.REFUSE, actor=actor, at=at, reason=reason, facts={"reason": reason, "lease_until": None})
        waiting = SigningIdentity.objects.filter(issuances=issuance_id, status=SigningIdentityStatus.PENDING).values_list("id", flat=True).first()
        if waiting is not None:
            identities.move(waiting, SigningIdentityStatus.RETIRED, actor=actor, at=at, reason=reason, facts={"encrypted_key": None})


def has_issued(certificate: bytes) -> bool:
    """Whether this DER is a certificate of the ledger."""
    return Issuance.objects.filter(certificate=certificate).exists()


def record(event: str, *, authority_slug: str, actor: str, at: datetime, detail: str = "") -> None:
    """Note what happened to a CA itself: its ceremony, its CRLs."""
    LedgerEvent.objects.create(at=at, actor=actor, event=event, authority_id=authority_slug, detail=detail)
