"""What the OpenAPI document says of messages is what they answer: every status, every field."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

import jsonschema
import pytest
from django.test import Client

from directory.tokens import make_token
from directory.x509.names import EmailAddress
from mailer.erasing import erase_recipient
from mailer.models import Message, SigningIdentity
from tests.mailer.api.bodies import ITEM, TO, Send, request_of

STATUSES = {
    ("/api/v1/messages", "post"): {"200", "202", "400", "401", "403", "406", "411", "413", "415", "422", "429"},
    ("/api/v1/messages", "get"): {"200", "401", "403", "406", "422"},
    ("/api/v1/messages/{message_id}", "get"): {"200", "401", "403", "404", "406"},
    ("/api/v1/messages/{message_id}/cancel", "post"): {"200", "401", "403", "404", "406", "409", "411"},
}


@pytest.fixture
def document(client: Client, db: None) -> dict[str, Any]:  # noqa: ARG001 - the database
    found: dict[str, Any] = client.get("/api/v1/schema/").json()
    return found


@pytest.mark.parametrize("operation", STATUSES, ids=" ".join)
def test_it_names_every_status(operation: tuple[str, str], document: dict[str, Any]) -> None:
    path, method = operation
    assert set(document["paths"][path][method]["responses"]) == STATUSES[operation]


def test_answers_fit_their_description(document: dict[str, Any], send: Send, client: Client, bills: SigningIdentity, now: datetime) -> None:
    _token, text = make_token(organization=bills.organization, name="Log", scopes=["read_log", "send"], actor="user:alice", at=now)
    headers = {"Authorization": f"Bearer {text}"}
    answers = {"AcceptedBatch": send(request_of({**ITEM, "reference": "r-1"}))}
    path = f"/api/v1/messages/{Message.objects.get().id}"
    answers["MessagePage"] = client.get("/api/v1/messages", headers=headers)
    answers["MessageWithEvents"] = client.get(path, headers=headers)
    # RFC 9457
    answers["ProblemDocument"] = client.get("/api/v1/messages", {"status": "lost"}, headers=headers)
    for name, response in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json())
    assert set(answers["MessageWithEvents"].json()) == set(document["components"]["schemas"]["MessageWithEvents"]["properties"])
    erase_recipient(EmailAddress.parse(TO), actor="user:test", at=now)
    erased = client.get(path, headers=headers).json()
    assert (erased["to"], erased["reference"], erased["status"]) == ("", "", "cancelled")
    assert erased["erased_at"] is not None


def test_it_wants_the_body_whole(client: Client, bills: SigningIdentity, now: datetime) -> None:
    _token, text = make_token(organization=bills.organization, name="Billing", scopes=["send"], actor="user:alice", at=now)
    headers = {"Authorization": f"Bearer {text}", "Transfer-Encoding": "chunked", "Idempotency-Key": "one"}
    response = client.post("/api/v1/messages", b"{}", content_type="application/json", headers=headers)
    assert response.status_code == HTTPStatus.LENGTH_REQUIRED
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"])
def test_it_takes_json_alone(media_type: str, client: Client, bills: SigningIdentity, now: datetime) -> None:
    _token, text = make_token(organization=bills.organization, name="Billing", scopes=["send"], actor="user:alice", at=now)
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "one"}
    response = client.post("/api/v1/messages", b"{}", content_type=media_type, headers=headers)
    assert response.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert not Message.objects.exists()
