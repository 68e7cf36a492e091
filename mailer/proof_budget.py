"""Proof mails and codes have a limit of their own, whoever asks for them: 3 in 24 hours an address (edge rule 23).

An erasure gives none back: whoever reads the mailbox could otherwise have it mailed for ever.
"""

from datetime import datetime, timedelta

from directory.models import Organization
from mailer.forgetting import match_of_erased
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Notice, Publication

MOST_MAILS, MAILS_IN = 3, timedelta(hours=24)
# Of these, for all organisations together: whoever is invited and hands in their own certificate always has one left.
MOST_FOR_ORGANIZATIONS = 2
KINDS = frozenset({"proof", "code", "owner_link"})


def spent(match: str, *, at: datetime, organization: Organization | None = None) -> bool:
    """Whether this folded address has had its mails; `organization` is who asks for one, None its owner.

    Call it in the transaction that stores the mail: the address is locked until its end, so that two at once are counted one after the other.
    Raises MissingKeyError.
    """
    lock_mailbox(match, purpose="prove")
    since = at - MAILS_IN
    if organization is not None:
        asked = Publication.objects.filter(match=match, created_at__gt=since, organization__isnull=False)
        if asked.count() >= MOST_FOR_ORGANIZATIONS:
            return True
    return Notice.objects.filter(match__in=[match, match_of_erased(match)], created_at__gt=since, kind__in=KINDS).count() >= MOST_MAILS
