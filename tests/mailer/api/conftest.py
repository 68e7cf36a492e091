"""The bank's own token at `POST /api/v1/messages`."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from directory.tokens import make_token
from mailer.models import SigningIdentity
from tests.mailer.api.bodies import Send


@pytest.fixture
def send(bills: SigningIdentity, client: Client, now: datetime) -> Send:
    """POST with the bank's token; gives the answer."""
    _token, text = make_token(organization=bills.organization, name="Billing", scopes=["send"], actor="user:alice", at=now)

    def post(body: object, *, key: str | None = "one", token: str = text, content: bytes | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key is not None else {})
        data = json.dumps(body).encode() if content is None else content
        return client.post("/api/v1/messages", data, content_type="application/json", headers=headers)

    return post
