"""What Django's middleware does for every answer, made ready once a process: which hosts are ours, and the headers of security."""

import io
from collections.abc import Mapping
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware

Headers = tuple[tuple[str, str], ...]
_MIDDLEWARE = (SecurityMiddleware, CSPMiddleware, XFrameOptionsMiddleware)
_MOST_HOSTS = 1000


class Edge:
    """The settings that every request is held against. Made anew where they change."""

    def __init__(self) -> None:
        proxy: tuple[str, str] | None = settings.SECURE_PROXY_SSL_HEADER
        self._proxy_header, self._proxy_value = proxy or ("", "")
        self._redirects = bool(settings.SECURE_SSL_REDIRECT)
        self._hosts: dict[str, bool] = {}
        self._plain, self._secure = (self._security_headers(scheme) for scheme in ("http", "https"))

    def headers(self, environ: Mapping[str, Any]) -> Headers | None:
        """The headers of security for this request; None if it is not for this host or scheme, so that Django has to say so."""
        host = environ.get("HTTP_HOST", "")
        known = self._hosts.get(host)
        if known is None:
            known = self._look_at(host)
        if not known:
            return None
        if self._is_secure(environ):
            return self._secure
        return None if self._redirects else self._plain

    def _is_secure(self, environ: Mapping[str, Any]) -> bool:
        if self._proxy_header:
            told: str | None = environ.get(self._proxy_header)
            if told is not None:
                return told.partition(",")[0].strip() == self._proxy_value
        return bool(environ["wsgi.url_scheme"] == "https")

    def _look_at(self, host: str) -> bool:
        known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
        if len(self._hosts) < _MOST_HOSTS:
            self._hosts[host] = known
        return known

    def _security_headers(self, scheme: str) -> Headers:
        """What the middleware writes, by letting it write."""
        proxy = {self._proxy_header: self._proxy_value if scheme == "https" else "http"} if self._proxy_header else {}
        asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": scheme, **proxy}
        request = WSGIRequest({**asked, "wsgi.input": io.BytesIO()})
        response = HttpResponse()
        del response["Content-Type"]
        for middleware in _MIDDLEWARE:
            middleware(lambda _request: response).process_response(request, response)
        return tuple(response.items())
