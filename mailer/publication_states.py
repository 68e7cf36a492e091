"""The states of an uploaded certificate on its way into the directory: one table, one `move`."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from directory.events import record
from mailer.models import Publication, PublicationStatus

_MAILBOX, _KEY, _WAITING = PublicationStatus.AWAITING_MAILBOX_PROOF, PublicationStatus.AWAITING_POSSESSION_PROOF, PublicationStatus.WAITING
_PUBLISHED, _REFUSED, _EXPIRED = PublicationStatus.PUBLISHED, PublicationStatus.REFUSED, PublicationStatus.EXPIRED

TRANSITIONS: Mapping[PublicationStatus, frozenset[PublicationStatus]] = {
    _MAILBOX: frozenset({_KEY, _WAITING, _PUBLISHED, _REFUSED, _EXPIRED}),
    _KEY: frozenset({_WAITING, _PUBLISHED, _REFUSED, _EXPIRED}),
    _WAITING: frozenset({_PUBLISHED, _REFUSED}),
    _PUBLISHED: frozenset(),
    _REFUSED: frozenset(),
    _EXPIRED: frozenset(),
}


@transaction.atomic
def move(
    publication: Publication,
    target: PublicationStatus,
    *,
    actor: str,
    at: datetime,
    reason: str = "",
    facts: Mapping[str, datetime] | None = None,
) -> bool:
    """Change the status, and the columns in `facts` with it, by compare-and-set, and leave an event; False if somebody was faster."""
    source = PublicationStatus(publication.status)
    if target not in TRANSITIONS[source]:
        return False
    changes: dict[str, object] = {"status": target, "reason": reason, **(facts or {})}
    changed = Publication.objects.filter(pk=publication.pk, status=source).update(**changes)
    if changed:
        for name, value in changes.items():
            setattr(publication, name, value)
        verb, subject = f"publication.{target}", f"publication:{publication.id}"
        record(actor=actor, verb=verb, subject=subject, organization=publication.organization, at=at, detail={"reason": reason} if reason else None)
    return changed == 1
