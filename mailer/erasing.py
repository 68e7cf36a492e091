"""Erasing a recipient from the outbox: what names the person goes, what was done stays countable.

(1) What is queued or held is cancelled, and its content is gone; the portal's own mails to the address are deleted.
(2) In every ended message recipient, folded address, domain, reference, the relay's words and the certificates' fingerprints become blank.
(3) What a worker or the relay has in hands stays: it ends within days, and the erasure is asked for again. The answer counts it.

The send log holds no address (`mailer.words`) and no fingerprint. Invitations stay: they are what keeps others from writing to the address again.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from directory.events import record
from directory.x509.names import EmailAddress
from mailer.custody import cipher_of
from mailer.message_states import Step, move, note
from mailer.models import FINAL, Message, MessageStatus, Notice, NoticeStatus, RelayedMail
from mailer.notices import PORTAL

_BLANK = {"recipient": "", "match": "", "domain": "", "reference": "", "relay_reply": "", "certificate": "", "further_certificates": ""}


@dataclass(frozen=True)
class Erasure:
    """How many messages were erased, how many of those cancelled for it, and how many are on their way and still name the recipient.

    `notices` of the portal's own mails were deleted; those on their way are in `in_flight`.
    """

    erased: int
    cancelled: int
    in_flight: int
    notices: int = 0


@transaction.atomic
def erase_recipient(address: EmailAddress, *, actor: str, at: datetime) -> Erasure:
    """Forget who the messages to this mailbox were for, in all organisations. Raises MissingKeyError."""
    # (1) What waits is cancelled.
    cancelled = 0
    for source in (MessageStatus.QUEUED, MessageStatus.HELD):
        waiting = Message.objects.filter(match=address.match, status=source).values_list("id", flat=True)
        steps = [Step(message, detail="recipient_erased") for message in waiting]
        cancelled += len(move(steps, source=source, target=MessageStatus.CANCELLED, actor=actor))
    # A worker that has one of these in hands finds it gone before it says DATA.
    notices, _ = Notice.objects.filter(match=address.match).exclude(status=NoticeStatus.HANDING).delete()
    # (2) What has ended names nobody any more.
    ended = Message.objects.select_for_update().filter(match=address.match, status__in=FINAL)
    ids = list(ended.order_by("id").values_list("id", flat=True))
    Message.objects.filter(id__in=ids).update(**_BLANK, erased_at=at)
    note(ids, event="recipient_erased", actor=actor)
    RelayedMail.objects.filter(message__in=ids).update(words="")
    # (3) What is in hands is counted.
    in_flight = Message.objects.filter(match=address.match).count() + Notice.objects.filter(match=address.match).count()
    erasure = Erasure(len(ids), cancelled, in_flight, notices)
    digest = cipher_of(PORTAL).digest(address.match, context="erasure")
    detail = {"erased": erasure.erased, "cancelled": cancelled, "in_flight": in_flight, "notices": notices}
    record(actor=actor, verb="recipient.erased", subject=f"recipient:{digest}", at=at, detail=detail)
    return erasure
