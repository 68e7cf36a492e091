"""How large a form may be: Django spools an upload of any size to disk before a view runs, since the CSRF token stands in the body."""

from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase

# Forms are short texts and, at most, a certificate.
LARGEST_FORM = 1024 * 1024


class FormLimit:
    """Refuses what is larger than a form, unread. Views exempt from the CSRF check read their body themselves, and cap it themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., HttpResponseBase], *_arguments: object) -> None:
        if getattr(view, "csrf_exempt", False):
            return
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > LARGEST_FORM:
            raise RequestDataTooBig(f"A form has at most {LARGEST_FORM} bytes.")
