"""`/api/v1/messages`: send, read, list, cancel."""

from uuid import UUID

from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from directory.api import quotas
from directory.api.authentication import actor_of
from directory.api.permissions import require_scope
from directory.api.problems import Problem, unprocessable
from directory.models import ApiToken
from directory.tokens import Scope
from mailer.api.parsing import MessagesBody, SendRequest, parse_key, parse_send_request
from mailer.api.queries import asked_for, limit_of
from mailer.api.shapes import documented_cancel, documented_list, documented_message, documented_send
from mailer.identities import NoIdentityError
from mailer.models import Message, MessageStatus
from mailer.outbox import KeyReusedError, OutboxFullError, accept
from mailer.rehearsal import Rehearsal, rehearse
from mailer.sendlog import Cursor, NotCancellableError, cancel, events_of, messages_of

_NO_STORE = {"Cache-Control": "no-store"}


class MessagesView(APIView):
    """The outbox's door, and the send log as a list."""

    parser_classes = [MessagesBody]

    def get_permissions(self) -> list[BasePermission]:
        return [require_scope(Scope.SEND if self.request.method == "POST" else Scope.READ_LOG)()]

    @documented_send
    def post(self, request: Request) -> Response:
        # What is wrong with a dry run has nothing to do with its key.
        wanted = parse_send_request(request.data)
        if wanted.dry_run:
            return _rehearsed(request, wanted)
        return _accepted(request, wanted, key=parse_key(request.headers.get("Idempotency-Key")))

    @documented_list
    def get(self, request: Request) -> Response:
        limit = limit_of(request.query_params)
        found = asked_for(_token(request).organization, request.query_params)
        rows = list(found[: limit + 1])
        after = Cursor(rows[limit - 1].accepted_at, rows[limit - 1].id).encode() if len(rows) > limit else None
        return Response({"messages": [_summary(row) for row in rows[:limit]], "next": after}, headers=_NO_STORE)


class MessageView(APIView):
    """One message."""

    permission_classes = [require_scope(Scope.READ_LOG)]

    @documented_message
    def get(self, request: Request, message_id: UUID) -> Response:
        return Response(_whole(_find(request, message_id)), headers=_NO_STORE)


class CancelView(APIView):
    """Take back one message."""

    permission_classes = [require_scope(Scope.SEND)]

    @documented_cancel
    def post(self, request: Request, message_id: UUID) -> Response:
        message = _find(request, message_id)
        try:
            cancel(message, actor=actor_of(_token(request)))
        except NotCancellableError as error:
            detail = _("Only a message that is queued or held can be taken back; this one is: %(status)s.") % {"status": error.status}
            raise Problem(409, _("It is too late"), detail, kind="not-cancellable") from error
        return Response(_whole(_find(request, message_id)), headers=_NO_STORE)


def _accepted(request: Request, wanted: SendRequest, *, key: str) -> Response:
    token = _token(request)
    try:
        accepted = accept(
            organization=token.organization,
            sender=wanted.sender,
            items=wanted.items,
            on_missing=wanted.on_missing,
            hold_days=wanted.hold_days,
            idempotency_key=key,
            body_digest=wanted.digest,
            actor=actor_of(token),
            at=timezone.now(),
        )
    except NoIdentityError as error:
        raise _no_identity() from error
    except KeyReusedError as error:
        detail = _("This Idempotency-Key was used for another request. A new request needs a new key.")
        raise Problem(422, _("Idempotency-Key was used"), detail, kind="idempotency-key-reused") from error
    except OutboxFullError as error:
        headers = {"Retry-After": str(error.retry_after)}
        raise Problem(429, _("Too much is waiting"), _("Please send this again a little later."), kind="outbox-full", headers=headers) from error
    messages = [
        {"id": str(item.id), "to": item.to, "message_id": item.message_id, "status": MessageStatus.QUEUED.value} for item in accepted.messages
    ]
    return Response({"batch": str(accepted.batch), "messages": messages}, status=202, headers=_NO_STORE)


def _rehearsed(request: Request, wanted: SendRequest) -> Response:
    """Counted as the look-ups that it makes: it tells who has a certificate."""
    token, now = _token(request), timezone.now()
    quotas.take(token=token, meta=request.META, cost=len(wanted.items), at=now)
    try:
        rehearsals = rehearse(organization=token.organization, sender=wanted.sender, items=wanted.items, on_missing=wanted.on_missing, at=now)
    except NoIdentityError as error:
        raise _no_identity() from error
    return Response({"dry_run": True, "messages": [_outlook(rehearsal) for rehearsal in rehearsals]}, headers=_NO_STORE)


def _no_identity() -> Problem:
    return unprocessable("/from", _("Your organisation has no active signing certificate for this address."))


def _outlook(rehearsal: Rehearsal) -> dict[str, object]:
    choice = rehearsal.choice
    return {
        "to": rehearsal.to,
        "reference": rehearsal.reference,
        "status": rehearsal.outlook.value,
        "reason": choice.reason.value if choice else "no_certificate",
        "certificate": rehearsal.certificates[0] if rehearsal.certificates else None,
        "certificates": list(rehearsal.certificates),
        "left_out": list(rehearsal.left_out),
        "key_management": str(choice.key_management) if choice else None,
        "content_encryption": str(choice.content) if choice else None,
        "receipt": [{"fingerprint": line.fingerprint, "accepted": line.accepted, "reason": line.reason} for line in rehearsal.receipt],
        "size": rehearsal.size,
    }


def _token(request: Request) -> ApiToken:
    token = request.auth
    if not isinstance(token, ApiToken):
        raise TypeError("a permission lets only tokens in")
    return token


def _find(request: Request, message_id: UUID) -> Message:
    """Another organisation's message is not there."""
    message = messages_of(_token(request).organization).filter(id=message_id).first()
    if message is None:
        raise Http404
    return message


def _summary(message: Message) -> dict[str, object]:
    return {
        "id": str(message.id),
        "batch": str(message.batch_id),
        "to": message.recipient,
        "message_id": message.message_id,
        "subject_digest": message.subject_digest,
        "reference": message.reference,
        "status": message.status,
        "certificate": message.certificate or None,
        "certificates": message.certificates,
        "accepted_at": message.accepted_at,
        "erased_at": message.erased_at,
    }


def _whole(message: Message) -> dict[str, object]:
    events = [{"at": event.at, "event": event.event, "detail": event.detail} for event in events_of(message)]
    return {**_summary(message), "events": events}
