"""What the API is: the OpenAPI document, and a page that reads from it. Nothing is loaded from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.views import APIView

from directory.api.lookup_description import PATHS, SCHEMAS

MEDIA_TYPE = "application/vnd.oai.openapi+json"
_METHODS = ("get", "post", "put", "patch", "delete")


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How OpenAPI describes our tokens."""

    target_class = "directory.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the generator's signature
        return {"type": "http", "scheme": "bearer", "description": "ll_live_..., made on the organisation's page and shown once"}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of every endpoint, made once a process: generated from the views, with the look-up's own words put in."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    schema["paths"] = {**PATHS, **schema["paths"]}
    schema["components"]["schemas"] = dict(sorted({**schema["components"]["schemas"], **SCHEMAS}.items()))
    schema["servers"] = [{"url": settings.LETTERLOCK_URL}]
    return schema


class DocumentView(APIView):
    """The OpenAPI document."""

    schema = None
    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002 - the same for all
        return HttpResponse(orjson.dumps(document()), content_type=MEDIA_TYPE, headers={"Cache-Control": "public, max-age=300"})


@dataclass(frozen=True, slots=True)
class Row:
    """One field, parameter or answer of an operation."""

    name: str
    kind: str
    required: bool
    words: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    needs_token: bool
    parameters: list[Row] = field(default_factory=list)
    body: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)


@require_safe
def documentation(request: HttpRequest) -> HttpResponse:
    """Every endpoint on one page."""
    schema = document()
    parts = {name: list(_fields(part)) for name, part in sorted(schema.get("components", {}).get("schemas", {}).items())}
    context = {"operations": list(_operations(schema)), "parts": parts, "portal_url": settings.LETTERLOCK_URL}
    return render(request, "directory/api_docs.html", context)


def _operations(schema: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield _operation(path, method, methods[method])


def _operation(path: str, method: str, told: dict[str, Any]) -> Operation:
    bodies = told.get("requestBody", {}).get("content", {})
    return Operation(
        id=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        description=told.get("description", ""),
        needs_token=bool(told.get("security")) and {} not in told["security"],
        parameters=[
            Row(entry["name"], f"{entry['in']}, {_kind(entry.get('schema', {}))}", bool(entry.get("required")), entry.get("description", ""))
            for entry in told.get("parameters", [])
        ],
        body=[
            Row(media_type, _kind(content.get("schema", {})), bool(told["requestBody"].get("required")), "") for media_type, content in bodies.items()
        ],
        answers=[
            Row(
                status,
                ", ".join(f"{media} {_kind(content.get('schema', {}))}" for media, content in answer.get("content", {}).items()),
                required=False,
                words=answer.get("description", ""),
            )
            for status, answer in told.get("responses", {}).items()
        ],
    )


def _fields(part: dict[str, Any]) -> Iterator[Row]:
    required = part.get("required", [])
    if not part.get("properties"):
        yield Row("", _kind(part), required=True, words=part.get("description", ""))
    for name, told in part.get("properties", {}).items():
        yield Row(name, _kind(told), name in required, told.get("description", ""))


def _kind(told: dict[str, Any]) -> str:
    """A schema in a word or two."""
    if "$ref" in told:
        return str(told["$ref"]).rpartition("/")[2]
    for combining in ("allOf", "oneOf", "anyOf"):
        if combining in told:
            return " | ".join(_kind(choice) for choice in told[combining])
    if "enum" in told:
        return " | ".join(str(value) for value in told["enum"])
    if told.get("type") == "array":
        return f"[{_kind(told.get('items', {}))}]"
    kinds = told.get("type", "any")
    return " | ".join(kinds) if isinstance(kinds, list) else str(told.get("format") or kinds)
