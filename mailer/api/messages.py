"""`/api/v1/messages`: send, read, list, cancel."""

from uuid import UUID

from django.http import Http404, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from directory.api.authentication import actor_of
from directory.api.permissions import require_scope
from directory.api.problems import Problem, unprocessable
from directory.models import ApiToken
from directory.tokens import Scope
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.api.parsing import MessagesBody, parse_key, parse_send_request
from mailer.api.shapes import documented_cancel, documented_list, documented_message, documented_send
from mailer.identities import NoIdentityError
from mailer.models import Message, MessageStatus
from mailer.outbox import KeyReusedError, OutboxFullError, accept
from mailer.sendlog import BadCursorError, Cursor, NotCancellableError, cancel, events_of, messages_of

PAGE, MOST_A_PAGE = 50, 200
_NO_STORE = {"Cache-Control": "no-store"}


class MessagesView(APIView):
    """The outbox's door, and the send log as a list."""

    parser_classes = [MessagesBody]

    def get_permissions(self) -> list[BasePermission]:
        return [require_scope(Scope.SEND if self.request.method == "POST" else Scope.READ_LOG)()]

    @documented_send
    def post(self, request: Request) -> Response:
        token = _token(request)
        key = parse_key(request.headers.get("Idempotency-Key"))
        wanted = parse_send_request(request.data)
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
            raise unprocessable("/from", _("Your organisation has no active signing certificate for this address.")) from error
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

    @documented_list
    def get(self, request: Request) -> Response:
        query = request.query_params
        found = messages_of(_token(request).organization, **_filters(query), after=_cursor(query))
        limit = _limit(query)
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


def _filters(query: QueryDict) -> dict[str, str]:
    status, to = query.get("status", ""), query.get("to", "")
    if status and status not in MessageStatus.values:
        raise unprocessable("/status", _("There is no such status."))
    if to:
        try:
            to = EmailAddress.parse(to).match
        except MalformedAddressError as error:
            raise unprocessable("/to", _("This is not an e-mail address.")) from error
    return {"status": status, "to": to, "reference": query.get("reference", "").replace("\x00", "")}


def _cursor(query: QueryDict) -> Cursor | None:
    try:
        return Cursor.decode(query.get("after", "")) if query.get("after") else None
    except BadCursorError as error:
        raise unprocessable("/after", _("This is not a cursor of ours: give “next” of the page before.")) from error


def _limit(query: QueryDict) -> int:
    text = query.get("limit", str(PAGE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_A_PAGE):
        raise unprocessable("/limit", _("A number from 1 to %(most)d.") % {"most": MOST_A_PAGE})
    return int(text)


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
        "accepted_at": message.accepted_at,
    }


def _whole(message: Message) -> dict[str, object]:
    events = [{"at": event.at, "event": event.event, "detail": event.detail} for event in events_of(message)]
    return {**_summary(message), "events": events}
