"""What the API says of itself holds: the OpenAPI document, and the page that reads from it."""

import re
from typing import Any

import jsonschema
import orjson
import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.directory.conftest import Publisher


@pytest.fixture
def schema(client: Client, db: None) -> dict[str, Any]:  # noqa: ARG001 - the database
    response = client.get("/api/v1/schema/")
    assert response["Content-Type"] == "application/vnd.oai.openapi+json"
    found: dict[str, Any] = orjson.loads(response.content)
    return found


def routes(resolver: URLResolver, prefix: str = "/") -> set[str]:
    found = set()
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        found |= routes(entry, path) if isinstance(entry, URLResolver) else {path} if isinstance(entry, URLPattern) else set()
    return found


def test_it_describes_every_endpoint(schema: dict[str, Any]) -> None:
    served = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path) for path in routes(get_resolver()) if path.startswith("/api/v1/")}
    assert schema["openapi"].startswith("3.1")
    assert set(schema["paths"]) == served - {"/api/v1/schema/"}


def test_look_ups_work_with_and_without_a_token(schema: dict[str, Any]) -> None:
    for path, method in (("/api/v1/certificates", "get"), ("/api/v1/lookups", "post")):
        assert schema["paths"][path][method]["security"] == [{"token": []}, {}]
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_answers_fit_their_description(client: Client, published: Publisher, schema: dict[str, Any]) -> None:
    published("alice@example.com", "rsa2048")
    published("alice@example.com", "p384")
    answers = {
        "LookupAnswer": [
            client.get("/api/v1/certificates", {"email": email, "receipt": "1"}).content for email in ("alice@example.com", "charlie@example.com")
        ],
        "LookupsAnswer": [
            client.post("/api/v1/lookups", {"emails": ["alice@example.com", "charlie@example.com", "x"]}, content_type="application/json").content
        ],
        "ProblemDocument": [client.get("/api/v1/certificates", {"email": "x"}).content, client.get("/api/v1/certificates").content],
    }
    for name, bodies in answers.items():
        validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": schema["components"]})
        for body in bodies:
            validator.validate(orjson.loads(body))


def test_the_page_names_every_operation_and_loads_nothing_from_elsewhere(client: Client, schema: dict[str, Any]) -> None:
    response = client.get("/api/docs/")
    assert response.status_code == 200
    page = response.content.decode()
    for path, methods in schema["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
