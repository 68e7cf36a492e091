"""Bodies of `POST /api/v1/messages` for the tests, and how a refusal is read."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from mailer.models import Batch, Message

TO = "bob@people.example.org"
ITEM: dict[str, Any] = {"to": TO, "subject": "Statement", "text": "Hello"}
Send = Callable[..., Any]


def request_of(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"from": "bills@bank.example.com", "messages": list(items), **more}


def errors(response: Any) -> dict[str, str]:
    """The problem's errors by pointer; nothing may have been stored."""
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert not Message.objects.exists()
    assert not Batch.objects.exists()
    return {error["pointer"]: error["detail"] for error in response.json()["errors"]}
