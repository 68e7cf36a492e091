"""How large a form may be: Django spools an upload of any size to disk before a view runs, since the CSRF token stands in the body."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from portal.views import errors

# Forms are short texts and, at most, a certificate of 1 MB with the marks around it.
LARGEST_FORM = 1024 * 1024 + 64 * 1024


class FormLimit:
    """Refuses what is larger than a form, unread. Views exempt from the CSRF check read their body themselves, and cap it themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponseBase], *_arguments: object) -> HttpResponseBase | None:
        if getattr(view, "csrf_exempt", False):
            return None
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
            return errors.length_required(request)
        if length and not (length.isascii() and length.isdigit()):
            return errors.bad_request(request)
        return errors.too_large(request) if int(length or 0) > LARGEST_FORM else None
