"""An organisation's first page: figures of today, two weeks as a chart, latest letters, its certificate."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.models import Organization
from mailer.models import Issuance, IssuanceStatus, Message, MessageStatus, SigningIdentity, SigningIdentityStatus
from mailer.sendlog import messages_of
from onboarding.models import Membership
from portal.charts import Columns, Day, Series, columns
from portal.patience import TooLongError, within
from portal.statuses import NOT_DELIVERED
from portal.views.access import TOKEN_ROLES, member_page, room
from portal.views.send_log import start_of
from portal.views.tokens import EXPIRES_SOON

DAYS = 14
LATEST = 6
CHART_SECONDS = 3.0
VALIDATION_ENDS_SOON = timedelta(days=60)
ON_ITS_WAY = (MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.HANDED, MessageStatus.DELIVERED, MessageStatus.UNKNOWN)
WAITING = (MessageStatus.QUEUED, MessageStatus.SEALING, MessageStatus.HELD)
SERIES = (
    Series(_("Sealed and sent"), "mark-1"),
    Series(_("Waiting or held"), "mark-2"),
    Series(_("Not delivered"), "mark-bad"),
)


@require_safe
@member_page()
def dashboard(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The overview of one organisation."""
    organization, now = membership.organization, timezone.now()
    identities = SigningIdentity.objects.filter(organization=organization).exclude(status=SigningIdentityStatus.RETIRED)
    context = room(
        membership,
        "dashboard",
        now=now,
        figures=figures(organization, at=now),
        chart=_chart(organization, at=now),
        latest=messages_of(organization)[:LATEST],
        identities=identities.select_related("certificate"),
        todo=to_do(membership, at=now),
    )
    return render(request, "organisation/dashboard.html", context)


def figures(organization: Organization, *, at: datetime) -> dict[str, int]:
    """What the strip shows, each counted by an index and never over the whole log."""
    letters, today = organization.messages, start_of(timezone.localtime(at).date())
    return {
        **letters.filter(accepted_at__gte=today).aggregate(today=Count("id"), sealed=Count("id", filter=Q(status__in=ON_ITS_WAY))),
        **letters.filter(status=MessageStatus.HELD).aggregate(
            held=Count("id"), expiring=Count("id", filter=Q(expires_at__lt=at + timedelta(days=7)))
        ),
        "not_delivered": letters.filter(status__in=NOT_DELIVERED, updated_at__gte=today).count(),
    }


class Task(NamedTuple):
    """One thing for a member to do: where, what, why, and how pressing."""

    url: str
    word: str
    hint: str
    tone: str
    icon: str
    state: str


def to_do(membership: Membership, *, at: datetime) -> list[Task]:
    """What waits for this member: a first token, tokens and a validation that end soon."""
    organization, tasks = membership.organization, []
    for address in refused_addresses(organization):
        word = gettext("No certificate could be issued for %(address)s") % {"address": address}
        url = reverse("certificate", args=[organization.pk])
        tasks.append(Task(url, word, gettext("the operators know, and begin again once its cause is gone"), "wait", "shield", gettext("Waiting")))
    tokens_url = reverse("tokens", args=[organization.pk])
    live = organization.tokens.filter(revoked_at=None, expires_at__gt=at)
    if membership.role in TOKEN_ROLES:
        if not live.exists():
            tasks.append(Task(tokens_url, gettext("Make an API token"), gettext("your systems need one to send"), "wait", "key", gettext("To do")))
        for token in live.filter(expires_at__lt=at + EXPIRES_SOON):
            word = gettext("Token “%(name)s” expires") % {"name": token.name}
            tasks.append(Task(tokens_url, word, gettext("make its successor first"), "wait", "clock", days_left(token.expires_at, at=at)))
    if organization.valid_until < at + VALIDATION_ENDS_SOON:
        url = reverse("certificate", args=[organization.pk])
        word = gettext("Renew the validation of your organisation")
        tasks.append(Task(url, word, gettext("certificates end with it"), "wait", "shield", days_left(organization.valid_until, at=at)))
    return tasks


def refused_addresses(organization: Organization) -> list[str]:
    """The sending addresses whose certificate was refused and that were not begun anew."""
    under_way = SigningIdentity.objects.filter(organization=organization).exclude(status=SigningIdentityStatus.RETIRED)
    refused = Issuance.objects.filter(organization=organization, status=IssuanceStatus.REFUSED).exclude(address__in=under_way.values("address"))
    return sorted(set(refused.values_list("address", flat=True)))


def days_left(end: datetime, *, at: datetime) -> str:
    """The whole days until `end`, in words."""
    days = max((end - at).days, 0)
    return ngettext("%(days)d day left", "%(days)d days left", days) % {"days": days}


def _chart(organization: Organization, *, at: datetime) -> Columns | None:
    """None where there are more letters than can be counted while somebody waits."""
    try:
        with within(CHART_SECONDS):
            return fortnight(organization, at=at)
    except TooLongError:
        return None


def fortnight(organization: Organization, *, at: datetime) -> Columns:
    """The letters accepted on each of the last 14 days, by what became of them."""
    last = timezone.localtime(at).date()
    first = last - timedelta(days=DAYS - 1)
    rows = (
        Message.objects.filter(organization=organization, accepted_at__gte=start_of(first))
        .annotate(day=TruncDate("accepted_at"))
        .values("day")
        .annotate(
            sent=Count("id", filter=Q(status__in=ON_ITS_WAY)),
            waiting=Count("id", filter=Q(status__in=WAITING)),
            lost=Count("id", filter=Q(status__in=NOT_DELIVERED)),
        )
    )
    counts: dict[date, tuple[int, ...]] = {row["day"]: (row["sent"], row["waiting"], row["lost"]) for row in rows}
    days = [first + timedelta(days=at_day) for at_day in range(DAYS)]
    return columns(SERIES, [Day(day, counts.get(day, (0, 0, 0))) for day in days])
