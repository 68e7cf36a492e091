"""The send log: what was sent to whom and what became of it, with filters, and as CSV."""

import csv
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.models import Organization
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.models import Message, MessageStatus
from mailer.sendlog import BadCursorError, Cursor, messages_of
from onboarding.models import Membership
from portal.patience import TooLongError, within
from portal.statuses import NOT_DELIVERED
from portal.views.access import member_page, room

PAGE = 50
# A tab counts no further: an organisation that sends much would wait for every count of its whole log.
COUNTED = 1000
SEARCH_SECONDS = 5.0
TOO_LONG = _("This search takes too long. Give the whole address, or a day from which to search.")
VIEWS = {
    "": (_("All"), None),
    "held": (_("Held"), (MessageStatus.HELD,)),
    "not-delivered": (_("Not delivered"), NOT_DELIVERED),
}
COLUMNS = ("id", "accepted_at", "recipient", "status", "reference", "certificate", "message_id", "updated_at")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Filters(forms.Form):
    """The filters of the send log, all in the URL."""

    view = forms.ChoiceField(choices=[(name, name) for name in VIEWS], required=False)
    to = forms.CharField(label=_("Recipient"), max_length=320, required=False)
    status = forms.ChoiceField(label=_("Status"), choices=[("", _("Any")), *MessageStatus.choices], required=False)
    reference = forms.CharField(label=_("Reference"), max_length=255, required=False)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    until = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))

    def clean_to(self) -> str:
        return str(self.cleaned_data["to"]).replace("\x00", "")

    def clean_reference(self) -> str:
        return str(self.cleaned_data["reference"]).replace("\x00", "")

    def apply(self, letters: QuerySet[Message]) -> QuerySet[Message]:
        """The letters that pass; a filter that was not understood is reported by the form and left out here."""
        found = self.cleaned_data if self.is_bound else {}
        statuses = VIEWS[found.get("view") or ""][1]
        if statuses:
            letters = letters.filter(status__in=statuses)
        if found.get("to"):
            letters = self._sent_to(letters, found["to"])
        if found.get("status"):
            letters = letters.filter(status=found["status"])
        if found.get("reference"):
            letters = letters.filter(reference__icontains=found["reference"])
        if found.get("since"):
            letters = letters.filter(accepted_at__gte=start_of(found["since"]))
        # Nothing comes after the last day that there is.
        if found.get("until") and found["until"] < date.max:
            letters = letters.filter(accepted_at__lt=start_of(found["until"] + timedelta(days=1)))
        return letters

    @staticmethod
    def _sent_to(letters: QuerySet[Message], text: str) -> QuerySet[Message]:
        """A whole address by its index; a part of one wherever it stands."""
        try:
            return letters.filter(match=EmailAddress.parse(text).match)
        except MalformedAddressError:
            return letters.filter(recipient__icontains=text)

    def chips(self) -> list[tuple[str, str]]:
        """Each active filter with the query that leaves it out."""
        active = {name: str(value) for name, value in self.cleaned_data.items() if value}
        shown = []
        for name in ("to", "status", "reference", "since", "until"):
            if name not in active:
                continue
            word = MessageStatus(active[name]).label if name == "status" else active[name]
            rest = urlencode({other: value for other, value in active.items() if other != name})
            shown.append((f"{self.fields[name].label}: {word}", rest))
        return shown


def start_of(day: date) -> datetime:
    """The first moment of a day in the reader's zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _filtered(request: HttpRequest, organization: Organization) -> tuple[Filters, QuerySet[Message]]:
    filters = Filters(request.GET)
    filters.is_valid()
    return filters, filters.apply(messages_of(organization))


@require_safe
@member_page()
def send_log(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The list, newest first, a page at a time."""
    return _draw(request, membership, status=200)


def _draw(request: HttpRequest, membership: Membership, *, status: int) -> HttpResponse:
    organization = membership.organization
    filters, letters = _filtered(request, organization)
    try:
        with within(SEARCH_SECONDS):
            rows, newer, older = _page(letters, after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    except BadCursorError:
        raise Http404 from None
    except TooLongError:
        rows, newer, older = [], None, None
        filters.add_error("reference" if filters.cleaned_data.get("reference") else "to", TOO_LONG)
    kept = {name: value for name, value in request.GET.items() if name in filters.fields and value}
    view = filters.cleaned_data.get("view") or ""
    tabs = [(name, word, counted(organization, statuses), name == view) for name, (word, statuses) in VIEWS.items()]
    context = room(
        membership,
        "send-log",
        filters=filters,
        chips=filters.chips(),
        rows=rows,
        tabs=tabs,
        view=view,
        query=urlencode(kept),
        newer=urlencode({**kept, "before": newer.encode()}) if newer else "",
        older=urlencode({**kept, "after": older.encode()}) if older else "",
    )
    return render(request, "organisation/send_log.html", context, status=status)


def counted(organization: Organization, statuses: tuple[MessageStatus, ...] | None) -> tuple[int, bool]:
    """How many letters a tab holds, up to `COUNTED`, and whether there are more."""
    letters = organization.messages.filter(status__in=statuses) if statuses else organization.messages.all()
    count = letters[: COUNTED + 1].count()
    return min(count, COUNTED), count > COUNTED


def _page(letters: QuerySet[Message], *, after: str, before: str) -> tuple[list[Message], Cursor | None, Cursor | None]:
    """One page, and the cursors from which the newer and the older page go on, where there is one."""
    if before:
        cursor = Cursor.decode(before)
        nearest = letters.filter(Q(accepted_at__gt=cursor.at) | Q(accepted_at=cursor.at, id__gt=cursor.id)).order_by("accepted_at", "id")
        found = list(nearest[: PAGE + 1])
        rows = found[:PAGE][::-1]
        newer, older = len(found) > PAGE, True
    else:
        if after:
            cursor = Cursor.decode(after)
            letters = letters.filter(Q(accepted_at__lt=cursor.at) | Q(accepted_at=cursor.at, id__lt=cursor.id))
        found = list(letters[: PAGE + 1])
        rows = found[:PAGE]
        newer, older = bool(after), len(found) > PAGE
    if not rows:
        return rows, None, None
    return rows, Cursor(rows[0].accepted_at, rows[0].id) if newer else None, Cursor(rows[-1].accepted_at, rows[-1].id) if older else None


@require_safe
@member_page()
def send_log_csv(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """The filtered send log as CSV (RFC 4180), streamed; cells that a spreadsheet would run as a formula begin with an apostrophe.

    422 with the filters' errors instead of more than was asked for.
    """
    filters, found = _filtered(request, membership.organization)
    if filters.errors:
        messages.error(request, gettext("Nothing was exported: a filter is not understood."))
        return _draw(request, membership, status=422)
    response = StreamingHttpResponse(_lines(found), content_type="text/csv; charset=utf-8; header=present")
    response["Content-Disposition"] = f'attachment; filename="send-log-{timezone.localdate():%Y-%m-%d}.csv"'
    return response


class _Line:
    """A file for csv.writer that hands the line back."""

    def write(self, line: str) -> str:
        return line


def _lines(letters: QuerySet[Message]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in letters.values_list(*COLUMNS).iterator(chunk_size=2000):
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> str:
    text = value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
