"""One letter of the send log: what happened, for which certificate it was sealed and why, what is kept; and taking it back."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from directory.models import Certificate
from mailer.models import Message, MessageStatus
from mailer.sendlog import NotCancellableError, cancel, events_of
from onboarding.models import Membership
from portal.receipts import receipt_of
from portal.views.access import TOKEN_ROLES, member_page, room

CANCELLABLE = (MessageStatus.QUEUED, MessageStatus.HELD)


@require_safe
@member_page()
def message(request: HttpRequest, membership: Membership, message_id: UUID) -> HttpResponse:
    """One letter and its story."""
    letter = _find(membership, message_id)
    certificate = Certificate.objects.filter(fingerprint=letter.certificate, mailbox__match=letter.match).first() if letter.certificate else None
    events = list(events_of(letter))
    context = room(
        membership,
        "send-log",
        letter=letter,
        certificate=certificate,
        receipt=next((receipt for event in reversed(events) if event.event == MessageStatus.SEALED and (receipt := receipt_of(event.detail))), None),
        events=events,
        sender=letter.batch.identity.address,
        kept="content" if letter.content else "sealed" if letter.sealed else "",
        may_cancel=membership.role in TOKEN_ROLES and letter.status in CANCELLABLE,
    )
    return render(request, "organisation/message.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(roles=TOKEN_ROLES)
def take_back(request: HttpRequest, membership: Membership, message_id: UUID) -> HttpResponse:
    """Asks first; a POST takes the letter back, if it is not too late."""
    letter = _find(membership, message_id)
    if request.method == "POST":
        try:
            cancel(letter, actor=membership.user.actor)
        except NotCancellableError as error:
            messages.error(request, _too_late(error.status))
        else:
            messages.success(request, gettext("Taken back. It will not be sent, and its content is erased."))
    elif letter.status in CANCELLABLE:
        return render(request, "organisation/cancel.html", room(membership, "send-log", letter=letter))
    else:
        messages.error(request, _too_late(letter.status))
    return redirect("message", organization_id=membership.organization_id, message_id=letter.pk)


def _too_late(status: str) -> str:
    return gettext("It is too late to take this letter back: it is %(status)s.") % {"status": str(MessageStatus(status).label).lower()}


def _find(membership: Membership, message_id: UUID) -> Message:
    """Another organisation's letter is not there."""
    letter = Message.objects.filter(organization=membership.organization, id=message_id).select_related("batch__identity").first()
    if letter is None:
        raise Http404
    return letter
