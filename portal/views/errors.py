"""Error pages in the portal's own face; on the API a problem document instead."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

API = "/api/"


def _answer(request: HttpRequest, status: HTTPStatus, template: str) -> HttpResponse:
    if request.path.startswith(API):
        problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": status.description}
        return JsonResponse(problem, status=status, content_type="application/problem+json")
    return render(request, template, status=status)


def bad_request(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return _answer(request, HTTPStatus.BAD_REQUEST, "400.html")


def forbidden(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return _answer(request, HTTPStatus.FORBIDDEN, "403.html")


def not_found(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return _answer(request, HTTPStatus.NOT_FOUND, "404.html")


def method_not_allowed(request: HttpRequest) -> HttpResponse:
    return _answer(request, HTTPStatus.METHOD_NOT_ALLOWED, "405.html")


def length_required(request: HttpRequest) -> HttpResponse:
    """A form of unknown length: no browser sends one."""
    return _answer(request, HTTPStatus.LENGTH_REQUIRED, "400.html")


def too_large(request: HttpRequest) -> HttpResponse:
    """More than the page takes; nothing of it was read."""
    return _answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "413.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """Drawn without the request, since asking who is signed in could fail for the same reason."""
    if request.path.startswith(API):
        return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "500.html")
    return HttpResponse(render_to_string("500.html"), status=HTTPStatus.INTERNAL_SERVER_ERROR)


def csrf_failure(request: HttpRequest, **_: object) -> HttpResponse:
    """A form without a valid token: nothing was done."""
    return _answer(request, HTTPStatus.FORBIDDEN, "403_csrf.html")
