"""Which media type an answer has (RFC 9110 section 12.5.1), by REST framework's rules for a header."""

from collections.abc import Callable
from functools import lru_cache

from rest_framework.exceptions import NotAcceptable, UnsupportedMediaType
from rest_framework.utils.mediatypes import media_type_matches, order_by_precedence

JSON, DER = "application/json", "application/pkix-cert"
MOST_CHARACTERS, MOST_TYPES = 8192, 64
MOST_TYPE_CHARACTERS = 256

# Headers are few in kind; what is longer than any browser's is judged anew each time, so that nobody fills the memory with them.
_REMEMBERED_CHARACTERS = 512


def accepted(header: str | None, offered: tuple[str, ...]) -> str:
    """The first of `offered` that the most specific part of an Accept header allows; raises NotAcceptable (406)."""
    if header is None:
        return offered[0]
    if len(header) <= _REMEMBERED_CHARACTERS:
        found = _remembered(header, offered)
    else:
        found = _chosen(header, offered) if len(header) <= MOST_CHARACTERS else None
    if found is None:
        raise NotAcceptable
    return found


def _chosen(header: str, offered: tuple[str, ...]) -> str | None:
    wanted = [part.strip() for part in header.split(",")]
    if len(wanted) > MOST_TYPES:
        return None
    ordered: list[set[str]] = order_by_precedence(wanted)
    return next((media_type for alike in ordered for media_type in offered for part in alike if media_type_matches(media_type, part)), None)


_remembered: Callable[[str, tuple[str, ...]], str | None] = lru_cache(1024)(_chosen)


def check_json(content_type: str | None) -> None:
    """Raise UnsupportedMediaType (415) unless a body of this Content-Type is JSON."""
    if not content_type or len(content_type) > MOST_TYPE_CHARACTERS or not media_type_matches(JSON, content_type):
        raise UnsupportedMediaType(content_type or "")
