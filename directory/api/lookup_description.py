"""The look-up's operations as OpenAPI describes them, written by hand: nothing serializes through them, since answers are bytes kept ready."""

from collections.abc import Mapping, Sequence
from typing import Any

from directory.api.negotiation import DER, JSON
from directory.api.shapes import PROBLEM, PROBLEM_WORDS
from directory.models import Level, Source
from directory.selection import Usage

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
FINGERPRINT: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the DER"}
ANYBODY: Sequence[Schema] = ({"token": []}, {})


def _one_of(values: Sequence[str], description: str = "") -> Schema:
    return {"type": "string", "enum": list(values)} | ({"description": description} if description else {})


def _list_of(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _part(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Schema], *, optional: frozenset[str] = frozenset()) -> Schema:
    return {"type": "object", "properties": properties, "required": sorted(set(properties) - optional)}


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"in": "query", "name": name, "schema": schema, "description": description, "required": required}


def _problems(*statuses: int) -> dict[str, Schema]:
    content = {PROBLEM: {"schema": _part("ProblemDocument")}}
    return {str(status): {"description": PROBLEM_WORDS[status], "content": content} for status in statuses}


_USAGES = [usage.value for usage in Usage]
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_CERTIFICATES = _list_of(_part("PublishedCertificate"))

SCHEMAS: Mapping[str, Schema] = {
    "CertificateIdentity": _object(dict.fromkeys(("name", "organization", "organization_id", "country"), _TEXT_OR_NULL)),
    "CertificateKey": _object(
        {
            "type": _one_of(["RSA", "EC"]),
            "bits": {"type": "integer", "description": "of an RSA key"},
            "curve": _one_of(["P-256", "P-384"], "of an EC key"),
        },
        optional=frozenset({"bits", "curve"}),
    ),
    "PublishedCertificate": _object(
        {
            "fingerprint": FINGERPRINT,
            "usage": _list_of(_one_of(_USAGES)),
            "level": _one_of(Level.values),
            "identity": _part("CertificateIdentity"),
            "issuer": TEXT,
            "source": _one_of(Source.values),
            "key": _part("CertificateKey"),
            "not_before": TIME,
            "not_after": TIME,
            "selected": {"type": "boolean", "description": "the one to use"},
            "der": {"type": "string", "description": "base64"},
        }
    ),
    "LookupAnswer": _object(
        {"email": TEXT, "status": _one_of(["found", "none"]), "certificates": _CERTIFICATES, "receipt": _list_of(_part("ReceiptLine"))},
        optional=frozenset({"receipt"}),
    ),
    "LookupResult": _object(
        {
            "email": TEXT,
            "status": _one_of(["found", "none", "malformed"]),
            "certificates": _CERTIFICATES,
            "invitation": _one_of(["considered"]),
        },
        optional=frozenset({"status", "certificates", "invitation"}),
    ),
    "LookupsRequest": _object(
        {
            "emails": _list_of(TEXT, minItems=1, maxItems=1000),
            "fields": _list_of(_one_of(["status", "certificates"]), minItems=1),
            "invite": {"type": "boolean", "description": "Ask that misses be invited: needs a token with the scope `invite`."},
        },
        optional=frozenset({"fields", "invite"}),
    ),
    "LookupsAnswer": _object({"results": _list_of(_part("LookupResult"))}),
}

PATHS: Mapping[str, Mapping[str, Schema]] = {
    "/api/v1/certificates": {
        "get": {
            "operationId": "certificates_of_an_address",
            "summary": "The certificates of one address",
            "description": "The certificates of one address. 200 for every well-formed address, whether there are any or not.",
            "tags": ["certificates"],
            "security": ANYBODY,
            "parameters": [
                _query("email", TEXT, "An exact address.", required=True),
                _query("usage", _one_of(_USAGES), "Which certificates: encryption ones where absent."),
                _query("receipt", _one_of(["1"]), "Also say of each candidate why it was taken or not."),
                _query("at", TIME, "As of a past moment; never what its owner hid or erased since."),
                {"in": "header", "name": "If-None-Match", "schema": TEXT, "description": "The ETag of an answer kept."},
            ],
            "responses": {
                "200": {
                    "description": "what the directory has of it",
                    "headers": {
                        "ETag": {"schema": TEXT, "description": "of the content: the same as long as that is"},
                        "Cache-Control": {"schema": TEXT, "description": "how long it may be kept, at most a minute"},
                    },
                    "content": {JSON: {"schema": _part("LookupAnswer")}, DER: {"schema": {"type": "string", "format": "binary"}}},
                },
                "304": {"description": "the answer kept still holds"},
                **_problems(401, 403, 404, 406, 411, 422, 429),
            },
        }
    },
    "/api/v1/lookups": {
        "post": {
            "operationId": "certificates_of_addresses",
            "summary": "The certificates of up to 1000 addresses",
            "description": "The certificates of up to 1000 addresses, in their order.",
            "tags": ["lookups"],
            "security": ANYBODY,
            "requestBody": {"required": True, "content": {JSON: {"schema": _part("LookupsRequest")}}},
            "responses": {
                "200": {"description": "a result for each address", "content": {JSON: {"schema": _part("LookupsAnswer")}}},
                **_problems(400, 401, 403, 406, 411, 413, 415, 422, 429),
            },
        }
    },
}
