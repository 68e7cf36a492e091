"""Misses that are to be invited: left as `Change` rows, which the mailer claims under the global limits."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from directory.events import Verb, record
from directory.models import Change, ChangeKind, Organization
from directory.x509.names import EmailAddress


@transaction.atomic
def ask_for_invitations(addresses: Sequence[EmailAddress], *, organization: Organization, actor: str, at: datetime) -> int:
    """Ask that these mailboxes be invited on the organisation's behalf; the number of new requests. One that waits already is not asked twice."""
    wanted = {address.match: address for address in addresses}
    waiting = Change.objects.filter(kind=ChangeKind.INVITE, done_at=None, organization=organization, match__in=list(wanted))
    for match in waiting.values_list("match", flat=True):
        wanted.pop(match, None)
    if not wanted:
        return 0
    Change.objects.bulk_create(
        Change(kind=ChangeKind.INVITE, address=address.address, match=match, organization=organization, actor=actor, at=at)
        for match, address in wanted.items()
    )
    record(
        actor=actor,
        verb=Verb.INVITATIONS_ASKED,
        subject=f"organization:{organization.id}",
        at=at,
        organization=organization,
        detail={"count": len(wanted)},
    )
    return len(wanted)
