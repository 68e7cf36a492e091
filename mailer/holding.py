"""What waits for a recipient's certificate: released the moment one is published, expired when its time is over."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef

from directory.lookup import encryption_certificates
from directory.models import Certificate, CertificateStatus
from mailer.message_states import Step, move
from mailer.models import Message, MessageStatus
from mailer.waking import wake_outbox

_CHUNK = 1000


def release(matches: Collection[str], *, at: datetime, actor: str) -> int:
    """Queue what is held for those of these folded addresses that can be sealed to now; returns how many messages."""
    held = list(Message.objects.filter(status=MessageStatus.HELD, match__in=list(matches)).values_list("id", "match"))
    if not held:
        return 0
    usable = {match for match, found in encryption_certificates(sorted({match for _, match in held}), at=at).items() if found}
    steps = [Step(message) for message, match in held if match in usable]
    released = 0
    for start in range(0, len(steps), _CHUNK):
        chunk = steps[start : start + _CHUNK]
        released += len(move(chunk, source=MessageStatus.HELD, target=MessageStatus.QUEUED, event="released", actor=actor))
    if released:
        wake_outbox()
    return released


def sweep(*, at: datetime, actor: str) -> int:
    """Release what a certificate now exists for although its publication found nothing held, or its validity has only begun."""
    published = Certificate.objects.filter(
        mailbox__match=OuterRef("match"), status=CertificateStatus.PUBLISHED, can_encrypt=True, not_before__lte=at, not_after__gt=at
    )
    matches = Message.objects.filter(Exists(published), status=MessageStatus.HELD).values_list("match", flat=True).distinct()[:_CHUNK]
    return release(list(matches), at=at, actor=actor)


def expire_held(*, at: datetime, actor: str) -> int:
    """End what was held to its last day; the content goes with it. Returns how many messages."""
    over = Message.objects.filter(status=MessageStatus.HELD, expires_at__lte=at).order_by("expires_at").values_list("id", flat=True)[:_CHUNK]
    expired = 0
    while steps := [Step(message) for message in over.all()]:
        expired += len(move(steps, source=MessageStatus.HELD, target=MessageStatus.EXPIRED, actor=actor))
    return expired
