"""A Content-Type that Django cannot read is answered with 400: its request raises for one before any middleware runs.

(1) In front of everything the header is tried as Django reads it, and taken away where that fails.
(2) A middleware answers for what was taken away, so that the answer has the face and the headers of every other one.
"""

import codecs
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse

from django.http import HttpRequest, HttpResponseBase
from django.utils.http import parse_header_parameters

from portal.views import errors

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
# Not to be sent from outside: what comes from a header begins with HTTP_.
_UNREADABLE = "portal.unreadable_content_type"


def in_front_of(everything: Application, django: Application) -> Application:
    """(1) `everything` where the header can be read, and else `django`, which has the middleware of (2)."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        # Without parameters there is nothing to read.
        if ";" in environ.get("CONTENT_TYPE", "") and not _is_readable(environ["CONTENT_TYPE"]):
            environ["CONTENT_TYPE"], environ[_UNREADABLE] = "", True
            return django(environ, start_response)
        return everything(environ, start_response)

    return application


class UnreadableTypePage:
    """(2) Refuses the request, unread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_arguments: object) -> HttpResponseBase | None:
        return errors.bad_request(request) if _UNREADABLE in request.META else None


def _is_readable(header: str) -> bool:
    try:
        charset = parse_header_parameters(header)[1].get("charset")
        if charset is None:
            return True
        codecs.lookup(charset)
    except LookupError:
        return True  # a charset that nobody knows is left out of account
    except Exception:  # noqa: BLE001 - RFC 2231's encoding is read by a module of the standard library that raises whatever it meets
        return False
    try:
        # Not every codec of that name is one of text.
        b"a".decode(charset, "replace")
    except (LookupError, ValueError):
        return False
    return True
