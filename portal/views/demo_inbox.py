"""The mails that the demo's SMTP server received, as they came. Outside a demo there is no such page."""

import email
import email.policy
from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.running.received import Inbox, ReceivedMail

PAGE = 50
View = Callable[..., HttpResponse]


class Line(NamedTuple):
    """What the list says of a mail: all of it stands outside the envelope that only the recipient opens."""

    mail: ReceivedMail
    sender: str
    subject: str
    sealed: bool


def demo_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, **names: str) -> HttpResponse:
        if not settings.LETTERLOCK_DEMO:
            raise Http404
        return view(request, **names)

    return guarded


@never_cache
@require_safe
@demo_only
def inbox(request: HttpRequest) -> HttpResponse:
    """All received mails, newest first, or those to one address."""
    wanted = request.GET.get("to", "").strip()
    mails = Inbox(settings.LETTERLOCK_STATE / "inbox").mails(wanted or None)
    page = Paginator(mails[::-1], PAGE).get_page(request.GET.get("page"))
    return render(request, "public/demo_inbox.html", {"lines": [_line(mail) for mail in page], "page": page, "to": wanted})


@never_cache
@require_safe
@demo_only
def source(_request: HttpRequest, name: str) -> HttpResponse:
    """One mail as received, to read or to save. Plain text, so that nothing in it runs here."""
    try:
        mail = Inbox(settings.LETTERLOCK_STATE / "inbox").read(name)
    except FileNotFoundError:
        raise Http404 from None
    return HttpResponse(mail.content, content_type="text/plain; charset=utf-8", headers={"Content-Disposition": f'inline; filename="{name}"'})


def _line(mail: ReceivedMail) -> Line:
    headers = email.message_from_bytes(mail.content.partition(b"\r\n\r\n")[0], policy=email.policy.default)
    return Line(
        mail,
        str(headers["From"] or ""),
        str(headers["Subject"] or ""),
        headers.get_content_type() in {"application/pkcs7-mime", "application/x-pkcs7-mime"},
    )
