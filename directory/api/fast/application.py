"""The WSGI callable (PEP 3333) in front of Django's, on the same port."""

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse

from directory.api.fast import plain
from directory.api.fast.edge import Edge
from directory.api.fast.plain import NotPlainError
from directory.api.lookups import Sent

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_log = logging.getLogger(__name__)
_ANSWERS: dict[str, Callable[[dict[str, Any]], Sent]] = {"/api/v1/certificates": plain.one, "/api/v1/lookups": plain.many}
_VARY = {"/api/v1/certificates": (("Vary", "Accept"),), "/api/v1/lookups": ()}
_NOT_MODIFIED = HTTPStatus.NOT_MODIFIED.value
_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def in_front_of(django: Application) -> Application:
    """Answer plain look-ups, and give all else to Django."""
    edge = Edge()

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        answer = _ANSWERS.get(path)
        if answer is None:
            return django(environ, start_response)
        security = edge.headers(environ)
        if security is None:
            return django(environ, start_response)
        try:
            sent = answer(environ)
        except NotPlainError:
            return django(environ, start_response)
        except Exception:  # noqa: BLE001 - whatever went wrong here, such as a database that is away: Django says so, or answers after all
            _log.warning("A plain look-up is left to Django.", exc_info=True)
            return django(environ, start_response)
        status, headers, body = sent
        length = () if status == _NOT_MODIFIED else (("Content-Length", str(len(body))),)
        start_response(_REASONS[status], [*headers, *length, *_VARY[path], *security])
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)

    return application
