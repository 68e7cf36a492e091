"""What may be asked of the send log in a URL. A parameter that is not understood is refused: left out it would show more than was asked for."""

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from directory.api.parsing import parse_moment
from directory.api.problems import unprocessable
from directory.models import Organization
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.models import Message, MessageStatus
from mailer.sendlog import BadCursorError, Cursor, messages_of

PAGE, MOST_A_PAGE = 50, 200
_NAMES = frozenset({"status", "to", "reference", "since", "until", "after", "limit"})


def asked_for(organization: Organization, query: QueryDict) -> QuerySet[Message]:
    """The organisation's messages that pass every filter, newest first, from the cursor on. Raises Problem 422."""
    for name in query:
        if name not in _NAMES:
            raise unprocessable(f"/{name[:100]}", _("There is no such parameter."))
    found = messages_of(organization, status=_status(query), to=_address(query), reference=_reference(query), after=_cursor(query))
    since, until = query.get("since", ""), query.get("until", "")
    if since:
        found = found.filter(accepted_at__gte=parse_moment(since, "/since"))
    if until:
        found = found.filter(accepted_at__lt=parse_moment(until, "/until"))
    return found


def limit_of(query: QueryDict) -> int:
    """How many a page. Raises Problem 422."""
    text = query.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_A_PAGE)) and 1 <= int(text) <= MOST_A_PAGE):
        raise unprocessable("/limit", _("A number from 1 to %(most)d.") % {"most": MOST_A_PAGE})
    return int(text)


def _status(query: QueryDict) -> str:
    status = query.get("status", "")
    if status and status not in MessageStatus.values:
        raise unprocessable("/status", _("There is no such status."))
    return status


def _address(query: QueryDict) -> str:
    to = query.get("to", "")
    if not to:
        return ""
    try:
        return EmailAddress.parse(to).match
    except MalformedAddressError as error:
        raise unprocessable("/to", _("This is not an e-mail address.")) from error


def _reference(query: QueryDict) -> str:
    reference = query.get("reference", "")
    if not reference.isprintable():
        raise unprocessable("/reference", _("A reference holds printable characters alone."))
    return reference


def _cursor(query: QueryDict) -> Cursor | None:
    try:
        return Cursor.decode(query.get("after", "")) if query.get("after") else None
    except BadCursorError as error:
        raise unprocessable("/after", _("This is not a cursor of ours: give “next” of the page before.")) from error
