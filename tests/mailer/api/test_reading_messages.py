"""Reading the send log over HTTP: pages, filters, one message, cancelling. Charlie's token sees nothing of the bank's."""

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from directory.models import Organization
from directory.tokens import make_token
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.sending import drain
from mailer.sendlog import Cursor
from portal.running.inbox import InboxServer
from tests.mailer.letters import SUBJECT, Desk, letter, only_message, publish_for, send

TO = "bob@people.example.org"
Get = Callable[..., Any]


def reader(client: Client, organization: Organization, now: datetime, *scopes: str) -> Get:
    _token, text = make_token(organization=organization, name="Log", scopes=scopes or ("read_log",), actor="user:alice", at=now)

    def call(path: str = "", *, method: str = "get", **query: str) -> Any:
        return getattr(client, method)(f"/api/v1/messages{path}", query, headers={"Authorization": f"Bearer {text}"})

    return call


@pytest.fixture
def log(client: Client, bank: Organization, now: datetime) -> Get:
    return reader(client, bank, now, "read_log", "send")


@pytest.fixture
def charlies(client: Client, shop: Organization, now: datetime) -> Get:
    return reader(client, shop, now, "read_log", "send")


def test_it_tells_one_message_and_its_story(log: Get, bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime) -> None:
    del inbox_server
    certificate = publish_for(desk.authority.leaf(TO), TO, at=now)
    send(bills, letter(TO), at=now)
    drain(at=now)
    message = only_message()
    told = log(f"/{message.id}").json()
    assert {name: told[name] for name in ("id", "to", "reference", "status", "certificate", "message_id")} == {
        "id": str(message.id),
        "to": TO,
        "reference": f"ref-{TO}",
        "status": "handed",
        "certificate": certificate.fingerprint,
        "message_id": message.message_id,
    }
    assert re.fullmatch(r"[0-9a-f]{64}", told["subject_digest"])
    assert told["subject_digest"] != sha256(SUBJECT.encode()).hexdigest(), "a subject that can be guessed must not be tested against it"
    assert [event["event"] for event in told["events"]] == ["accepted", "sealing", "sealed", "handing", "handed"]
    assert SUBJECT not in str(told)


def test_it_pages_through_everything_once(log: Get, bills: SigningIdentity, now: datetime) -> None:
    for hour in range(3):
        send(bills, *[letter(TO) for _ in range(5)], at=now - timedelta(hours=hour))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = log(limit="4", **({"after": after} if after else {})).json()
        assert len(page["messages"]) <= 4
        seen += [message["id"] for message in page["messages"]]
        after = page["next"]
    assert len(seen) == len(set(seen)) == 15
    assert seen == [str(message.id) for message in Message.objects.order_by("-accepted_at", "-id")]


def test_it_filters(log: Get, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), letter("carol@people.example.org"), at=now)
    Message.objects.filter(recipient=TO).update(status=MessageStatus.FAILED, content=None)

    def found(**query: str) -> list[str]:
        return [message["to"] for message in log(**query).json()["messages"]]

    assert found(status="failed") == [TO]
    assert found(to="Carol@PEOPLE.example.org") == ["carol@people.example.org"]
    assert found(reference=f"ref-{TO}") == [TO]
    assert found(reference="ref-") == []


def test_it_filters_by_moments_of_any_offset(log: Get, bills: SigningIdentity, now: datetime) -> None:
    for hours in range(3):
        send(bills, letter(f"h{hours}@people.example.org"), at=now - timedelta(hours=hours))
    between = {"since": (now - timedelta(hours=1)).isoformat(), "until": now.astimezone(timezone(timedelta(hours=8))).isoformat()}
    assert [message["to"] for message in log(**between).json()["messages"]] == ["h1@people.example.org"]
    assert log(since=(now + timedelta(seconds=1)).isoformat()).json()["messages"] == []


def made_up(at: str) -> str:
    """A cursor with any moment."""
    return base64.urlsafe_b64encode(f"{at} {UUID(int=1)}".encode()).decode().rstrip("=")


def test_it_takes_a_cursor_of_any_offset(log: Get) -> None:
    assert log(after=made_up("2026-11-25T10:00:00+23:59")).json() == {"messages": [], "next": None}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "lost"),
        ("to", "nobody"),
        ("after", "???"),
        ("after", "eHg"),
        *(("after", made_up(at)) for at in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-25T10:00:00")),
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "000001000000000000000000000"),
        ("limit", "x"),
        ("limit", "²"),
        ("since", "yesterday"),
        ("since", "2026-11-25"),
        ("until", "2026-11-25T10:00:00"),
        ("until", "0001-01-01T00:00:00+01:00"),
        ("reference", "a\x00b"),
        ("statsu", "failed"),
    ],
)
def test_it_points_at_a_bad_parameter(name: str, value: str, log: Get) -> None:
    response = log(**{name: value})
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert response.json()["errors"][0]["pointer"] == f"/{name}"


def test_it_cancels_what_is_queued_or_held_and_says_when_it_is_too_late(log: Get, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    message = only_message()
    cancelled = log(f"/{message.id}/cancel", method="post")
    assert (cancelled.status_code, cancelled.json()["status"]) == (HTTPStatus.OK, "cancelled")
    message.refresh_from_db()
    assert message.content is None
    again = log(f"/{message.id}/cancel", method="post")
    assert again.status_code == HTTPStatus.CONFLICT
    assert "cancelled" in again.json()["detail"]


def test_it_shows_charlie_nothing(log: Get, charlies: Get, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    message = only_message()
    assert charlies(f"/{message.id}").status_code == HTTPStatus.NOT_FOUND
    assert charlies(f"/{message.id}/cancel", method="post").status_code == HTTPStatus.NOT_FOUND
    assert charlies().json() == {"messages": [], "next": None}
    assert charlies(after=Cursor(now + timedelta(days=1), uuid4()).encode()).json()["messages"] == []
    assert charlies(to=TO).json()["messages"] == []
    assert len(log().json()["messages"]) == 1
    assert only_message().status == MessageStatus.QUEUED


def test_it_gives_charlie_the_answer_that_nothing_gets(charlies: Get, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    assert charlies(f"/{only_message().id}").json() == charlies(f"/{uuid4()}").json()


def test_it_asks_for_the_scope(client: Client, bills: SigningIdentity, now: datetime) -> None:
    send(bills, letter(TO), at=now)
    path = f"/{only_message().id}"
    sender = reader(client, bills.organization, now, "send")
    assert sender(path).status_code == sender().status_code == HTTPStatus.FORBIDDEN
    assert reader(client, bills.organization, now, "read_log")(f"{path}/cancel", method="post").status_code == HTTPStatus.FORBIDDEN
    assert client.get("/api/v1/messages").status_code == HTTPStatus.UNAUTHORIZED
