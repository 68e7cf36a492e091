"""Pausing and resuming what is claimed: everything, one organisation's messages, or those to one recipient domain.

Messages are accepted meanwhile, and what a worker holds already goes out; nothing else is taken up until the pause ends. The portal's own
mails wait too when everything pauses, or their domain.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from directory.events import record
from directory.models import Organization
from mailer.models import Pause
from mailer.waking import wake_outbox


class NotPausedError(Exception):
    """There is no such pause to end: somebody else was quicker, or it was never begun."""


def pause(*, organization: Organization | None = None, domain: str = "", reason: str, actor: str, at: datetime) -> Pause:
    """Begin a pause; the one that is there already if there is one. `domain` is folded; with neither, everything pauses."""
    with transaction.atomic():
        begun, is_new = Pause.objects.get_or_create(
            organization=organization, domain=domain, resumed_at=None, defaults={"reason": reason, "paused_by": actor, "paused_at": at}
        )
        if is_new:
            _record("paused", begun, actor=actor, at=at)
    return begun


def resume(*, organization: Organization | None = None, domain: str = "", actor: str, at: datetime) -> Pause:
    """End the pause of exactly this scope. Raises NotPausedError."""
    with transaction.atomic():
        ended = Pause.objects.select_for_update().filter(organization=organization, domain=domain, resumed_at=None).first()
        if ended is None:
            raise NotPausedError
        ended.resumed_by, ended.resumed_at = actor, at
        ended.save(update_fields=["resumed_by", "resumed_at"])
        _record("resumed", ended, actor=actor, at=at)
        wake_outbox()
    return ended


def active_pauses(organization: Organization | None = None) -> QuerySet[Pause]:
    """What pauses now, the latest first; with an organisation, what its messages wait for."""
    pauses = Pause.objects.filter(resumed_at=None).order_by("-paused_at")
    return pauses if organization is None else pauses.filter(Q(organization=organization) | Q(organization=None))


def _record(verb: str, of: Pause, *, actor: str, at: datetime) -> None:
    subject = f"organization:{of.organization_id}" if of.organization_id else "outbox"
    detail = {"domain": of.domain, "reason": of.reason}
    record(actor=actor, verb=f"sending.{verb}", subject=subject, at=at, organization=of.organization, detail=detail)
