"""What an operator has to look at, counted: for a monitoring program, and beside the lines `ALARM: ...` of the log.

The reconciler settles or marks each hand-over that nobody saw the end of within two minutes, given leases of a minute; `overdue` counts what it
has not come to, so a standing reconciler is seen too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q

from directory.models import OrganizationStatus
from mailer.claiming import MANY_ATTEMPTS
from mailer.models import Message, MessageStatus, Pause
from mailer.partitions import count_strays


@dataclass(frozen=True)
class Alarms:
    """`unknown`: nobody knows whether the relay took them. `overdue`: handed over for two leases. `retried`: often begun, never ended.

    `strays`: lines of the send log for whose month there is no partition, so the hourly task that makes them stands still.
    `waiting`: since when the oldest has been ready to be sent, None if none is; what a pause or its organisation's suspension keeps is not.
    """

    unknown: int
    overdue: int
    retried: int
    strays: int
    waiting: datetime | None

    def are_raised(self, *, at: datetime) -> bool:
        late = self.waiting is not None and at - self.waiting > timedelta(seconds=settings.LETTERLOCK_OUTBOX_SECONDS)
        return bool(self.unknown or self.overdue or self.retried or self.strays or late)


def standing_alarms(*, at: datetime) -> Alarms:
    two_leases = at - 2 * timedelta(seconds=settings.LETTERLOCK_LEASE_SECONDS)
    pauses = Pause.objects.filter(
        Q(organization=None) | Q(organization=OuterRef("organization")), Q(domain="") | Q(domain=OuterRef("domain")), resumed_at=None
    )
    ready = Q(status=MessageStatus.QUEUED, not_before__lte=at, organization__status=OrganizationStatus.ACTIVE) & ~Exists(pauses)
    on_their_way = Q(status__in=[MessageStatus.SEALING, MessageStatus.SEALED, MessageStatus.HANDING])
    return Alarms(
        strays=count_strays(),
        waiting=Message.objects.filter(ready).aggregate(oldest=Min("not_before"))["oldest"],
        **Message.objects.filter(on_their_way | Q(status=MessageStatus.UNKNOWN)).aggregate(
            unknown=Count("id", filter=Q(status=MessageStatus.UNKNOWN)),
            overdue=Count("id", filter=Q(status=MessageStatus.HANDING, updated_at__lt=two_leases)),
            retried=Count("id", filter=on_their_way & Q(attempt__gt=MANY_ATTEMPTS)),
        ),
    )
