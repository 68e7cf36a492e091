"""A cap on what a page reads: applied before the body is, since Django spools files of any size to disk."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
TooLarge = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def body_at_most(size: int, too_large: TooLarge[P]) -> Callable[[View[P]], View[P]]:
    """Answer with `too_large` when the body is larger than `size` bytes. The CSRF token is checked after that: it stands in the body."""

    def decorate(view: View[P]) -> View[P]:
        protected = csrf_protect(view)

        def capped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if _length(request) > size:
                return too_large(request, *args, **kwargs)
            return protected(request, *args, **kwargs)

        update_wrapper(capped, view)
        return csrf_exempt(capped)

    return decorate


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise RequestDataTooBig("The length of the body is not a number.") from None
