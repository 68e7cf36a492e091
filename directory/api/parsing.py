"""Request bodies: JSON by orjson, read up to a limit. And moments in a query."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import orjson
from django.http import HttpRequest, HttpResponseBase
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.views import APIView

from directory.api.problems import Problem, respond, unprocessable


class LengthRequired:
    """Middleware: answers 411 to an API request in chunks, whose body Django would take for empty."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponseBase], *_arguments: object) -> HttpResponseBase | None:
        whole = getattr(view, "takes_whole_bodies", False) or (hasattr(view, "cls") and issubclass(view.cls, APIView))
        if whole and "HTTP_TRANSFER_ENCODING" in request.META:
            return respond(Problem(411, _("A length is needed"), _("Send the body whole, with its Content-Length, not in chunks."), kind="length"))
        return None


class JSONBody(BaseParser):
    """JSON in UTF-8 of at most `most_octets`; raises Problem 413, or ParseError (400)."""

    media_type = "application/json"
    most_octets = 1024 * 1024

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002
        body = stream.read(self.most_octets + 1)
        if len(body) > self.most_octets:
            raise Problem(413, _("Too large"), _("The request is larger than this endpoint takes."), kind="too-large")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("The body is not JSON in UTF-8.")) from error


def parse_moment(text: str, pointer: str) -> datetime:
    """A moment of RFC 3339 with its offset, in UTC. Raises Problem 422."""
    try:
        # A plus sign that was not escaped arrives as a blank.
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise unprocessable(pointer, _("The time is not one of RFC 3339 with its offset, such as 2027-01-31T12:00:00Z."))
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise unprocessable(pointer, _("The time is out of range.")) from error
