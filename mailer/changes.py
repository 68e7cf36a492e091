"""What happened in the directory: a new certificate releases what is held for it, a request to invite is weighed."""

from datetime import datetime

from django.db import transaction

from directory.lookup import encryption_certificates
from directory.models import Change, ChangeKind
from directory.x509.names import EmailAddress
from mailer.holding import release
from mailer.inviting import invite

CHUNK = 200


def apply_changes(*, at: datetime) -> int:
    """Work through the pending changes, oldest first, a chunk a transaction; returns how many."""
    done = 0
    while changed := _apply_chunk(at=at):
        done += changed
    return done


@transaction.atomic
def _apply_chunk(*, at: datetime) -> int:
    pending = list(
        Change.objects.select_for_update(skip_locked=True, of=("self",)).select_related("organization").filter(done_at=None).order_by("id")[:CHUNK]
    )
    release({change.match for change in pending if change.kind == ChangeKind.PUBLISHED}, at=at, actor="system:worker")
    # Sorted, so that two workers never wait for each other's mailboxes.
    wanted = sorted((change for change in pending if change.kind == ChangeKind.INVITE), key=lambda change: change.match)
    known = encryption_certificates([change.match for change in wanted], at=at) if wanted else {}
    for change in wanted:
        if change.organization is not None and not known[change.match]:
            invite(address=EmailAddress.parse(change.address or change.match), organization=change.organization, actor=change.actor, at=at)
    # What is done names nobody any more: an erasure then has only what is pending to look through.
    Change.objects.filter(id__in=[change.id for change in pending]).update(done_at=at, address="", match="")
    return len(pending)
