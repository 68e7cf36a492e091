"""What stands in the log: an address without the secret that a mail has put into it.

Django logs the path of every answer from 400 on, and gunicorn that of what fails below Django. Whoever reads a log could do with a link what its
owner may. Which paths hold secrets is read from the URL patterns: those with an argument called `secret`.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from functools import cache

from django.urls import URLPattern, URLResolver, get_resolver

_SECRET = re.compile(r"<(?:\w+:)?secret>")


class WithoutSecrets(logging.Filter):
    """Lets every record through, without secrets and, where it had one, without the request that holds it as well."""

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        shown = without_secrets(words)
        if shown != words:
            record.msg, record.args = shown, ()
            if hasattr(record, "request"):
                record.request = None
        return True


def without_secrets(words: str) -> str:
    """The same words with “…” for what follows in a path that has a secret at that place, whatever case and slashes it was asked with."""
    return _secret_segments().sub(r"\g<start>…", words)


@cache
def _secret_segments() -> re.Pattern[str]:
    starts = {re.sub(r"/+", "/", start) for start in _starts(get_resolver().url_patterns, "/")}
    places = "|".join(re.escape(start).replace("/", "/+") for start in sorted(starts))
    return re.compile(rf"(?P<start>{places})[^/\s?#'\"]+", re.IGNORECASE)


def _starts(patterns: Sequence[URLPattern | URLResolver], above: str) -> Iterator[str]:
    """What stands before a secret, of every route."""
    for pattern in patterns:
        route = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _starts(pattern.url_patterns, route)
        elif place := _SECRET.search(route):
            yield route[: place.start()]
