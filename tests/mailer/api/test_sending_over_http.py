"""`POST /api/v1/messages`: parsed at the door to the last field, once for a key, for the organisation of the token alone."""

import base64
from datetime import datetime
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from directory.models import Organization
from directory.tokens import make_token
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.outbox import depth
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.api.bodies import ITEM, TO, Send, errors, request_of
from tests.mailer.letters import Desk, publish_for


def test_it_accepts_a_list_and_gives_ids(send: Send) -> None:
    response = send(request_of(ITEM, {**ITEM, "reference": "r-2"}))
    assert response.status_code == HTTPStatus.ACCEPTED
    answer = response.json()
    assert [item["to"] for item in answer["messages"]] == [TO, TO]
    assert {item["status"] for item in answer["messages"]} == {"queued"}
    stored = {str(message.id): message for message in Message.objects.all()}
    for item in answer["messages"]:
        assert stored[item["id"]].message_id == item["message_id"]
        assert str(stored[item["id"]].batch_id) == answer["batch"]


def test_it_accepts_a_single_message_without_the_list(send: Send) -> None:
    response = send({"from": "bills@bank.example.com", **ITEM, "on_missing": "fail", "hold_days": 3})
    assert response.status_code == HTTPStatus.ACCEPTED
    assert Message.objects.get().batch.on_missing == "fail"


def test_it_delivers_attachments_and_html(send: Send, inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    content = bytes(range(256)) * 40
    attachment = {"filename": "Kontoauszug März.pdf", "content_type": "application/pdf", "content": base64.b64encode(content).decode()}
    send(request_of({**ITEM, "subject": "对账单", "html": "<p>Hi</p>", "attachments": [attachment]}))
    drain(at=now)
    opened = desk.open(inbox_server.inbox.mails(TO)[0].content, holder)
    parts = {part.get_content_type(): part for part in opened.mail.walk()}
    assert parts["application/pdf"].get_payload(decode=True) == content
    assert parts["application/pdf"].get_filename() == "Kontoauszug März.pdf"
    assert "text/html" in parts
    assert opened.mail["Subject"] == "对账单"


def test_it_gives_the_same_answer_to_the_same_key_and_body(send: Send) -> None:
    first = send(request_of(ITEM))
    # The same members in another order are the same body.
    again = send({"messages": [dict(reversed(ITEM.items()))], "from": "bills@bank.example.com"})
    assert again.status_code == HTTPStatus.ACCEPTED
    assert again.json() == first.json()
    other = send(request_of({**ITEM, "text": "Another"}))
    assert other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert other.json()["type"].endswith("idempotency-key-reused")
    assert Message.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "x" * 256, "with blank", "ümlaut"])
def test_it_needs_a_key(key: str | None, send: Send) -> None:
    response = send(request_of(ITEM), key=key)
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert not Message.objects.exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no to": ({"to": None}, "/to"),
    "number as to": ({"to": 7}, "/to"),
    "two addresses": ({"to": "a@people.example.org, b@people.example.org"}, "/to"),
    "name and address": ({"to": "Bob <bob@people.example.org>"}, "/to"),
    "literal": ({"to": "a@[127.0.0.1]"}, "/to"),
    "quoted": ({"to": '"a b"@people.example.org'}, "/to"),
    "percent": ({"to": "a%b@people.example.org"}, "/to"),
    "no subject": ({"subject": None}, "/subject"),
    "long subject": ({"subject": "s" * 999}, "/subject"),
    "list as text": ({"text": ["x"]}, "/text"),
    "NUL in text": ({"text": "a\x00b"}, "/text"),
    "NUL in html": ({"html": "a\x00b"}, "/html"),
    "html as number": ({"html": 1}, "/html"),
    "control in reference": ({"reference": "a\nb"}, "/reference"),
    "long reference": ({"reference": "r" * 256}, "/reference"),
    "attachments as object": ({"attachments": {}}, "/attachments"),
    "attachment as text": ({"attachments": ["x"]}, "/attachments/0"),
    "no base64": ({"attachments": [{"filename": "a", "content_type": "text/plain", "content": "###"}]}, "/attachments/0/content"),
    "folder": ({"attachments": [{"filename": "../a", "content_type": "text/plain", "content": ""}]}, "/attachments/0/filename"),
    "bad type": ({"attachments": [{"filename": "a", "content_type": "text", "content": ""}]}, "/attachments/0/content_type"),
    "type with parameter": ({"attachments": [{"filename": "a", "content_type": "a/b; name=x", "content": ""}]}, "/attachments/0/content_type"),
    "misspelt": ({"atachments": []}, "/atachments"),
    "own header": ({"headers": {"Bcc": "x"}}, "/headers"),
    "51 attachments": ({"attachments": [{"filename": "a", "content_type": "a/b", "content": ""}] * 51}, "/attachments"),
}


@pytest.mark.parametrize("what", BAD)
def test_it_points_at_what_is_wrong(what: str, send: Send) -> None:
    """One malformed item refuses all, named by its place; the good ones beside it are not sent."""
    change, pointer = BAD[what]
    assert list(errors(send(request_of(ITEM, {**ITEM, **change}, ITEM)))) == [f"/messages/1{pointer}"]
    assert list(errors(send({"from": "bills@bank.example.com", **ITEM, **change}))) == [pointer]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ("text", ""),
        ({"messages": [ITEM]}, "/from"),
        (request_of(), "/messages"),
        ({**request_of(), "messages": {}}, "/messages"),
        (request_of("x"), "/messages/0"),  # type: ignore[arg-type]
        (request_of(*[ITEM] * 1001), "/messages"),
        (request_of(ITEM, on_missing="clear"), "/on_missing"),
        (request_of(ITEM, hold_days=31), "/hold_days"),
        (request_of(ITEM, hold_days=True), "/hold_days"),
        (request_of(ITEM, bcc="x@example.org"), "/bcc"),
        (request_of({**ITEM, "template": "statement"}), "/messages/0/template"),
        (request_of({**ITEM, "data": {}}), "/messages/0/data"),
    ],
)
def test_it_points_at_what_is_wrong_with_the_request(body: object, pointer: str, send: Send) -> None:
    assert list(errors(send(body))) == [pointer]


@pytest.mark.parametrize("field", ["template", "webhook", "webhooks", "sandbox"])
def test_it_says_what_comes_later(field: str, send: Send) -> None:
    told = errors(send(request_of({**ITEM, field: "x"}, **{field: True})))
    assert list(told) == [f"/{field}", f"/messages/0/{field}"]
    assert all("later" in words for words in told.values())


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"to": "\\ud800"}'])
def test_it_reads_json_alone(content: bytes, send: Send) -> None:
    response = send(None, content=content)
    assert response.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
    assert response["Content-Type"] == "application/problem+json"


def test_it_takes_ten_megabytes_a_message_and_thirty_two_a_request(send: Send) -> None:
    def with_text(size: int) -> dict[str, Any]:
        return {**ITEM, "text": "x" * size}

    assert list(errors(send(request_of(with_text(10 * 1024 * 1024 + 1))))) == ["/messages/0/text"]
    assert send(request_of(*[with_text(10 * 1024 * 1024)] * 4)).status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert not Message.objects.exists()
    assert send(request_of(with_text(10 * 1024 * 1024))).status_code == HTTPStatus.ACCEPTED


def test_it_names_the_one_limit_that_was_passed(send: Send) -> None:
    told = errors(send(request_of({**ITEM, "subject": "x" * 999})))
    assert told == {"/messages/0/subject": "Too long: a subject has at most 998 characters."}


def test_it_sends_from_an_active_address_of_the_organisation_alone(send: Send, bills: SigningIdentity, offers: SigningIdentity) -> None:
    for sender in (offers.address, "nobody@bank.example.com"):
        assert list(errors(send({**request_of(ITEM), "from": sender}))) == ["/from"]
    SigningIdentity.objects.filter(pk=bills.pk).update(status="retired")
    assert list(errors(send(request_of(ITEM)))) == ["/from"]


def test_it_needs_a_token_with_the_scope(send: Send, bank: Organization, now: datetime, client: Client) -> None:
    _token, reader = make_token(organization=bank, name="Reader", scopes=["read_log"], actor="user:alice", at=now)
    assert send(request_of(ITEM), token=reader).status_code == HTTPStatus.FORBIDDEN
    assert send(request_of(ITEM), token="ll_live_aaaaaaaa_" + "x" * 43).status_code == HTTPStatus.UNAUTHORIZED
    response = client.post("/api/v1/messages", "{}", content_type="application/json", headers={"Idempotency-Key": "one"})
    assert response.status_code == HTTPStatus.UNAUTHORIZED
    assert not Message.objects.exists()


def test_it_says_when_to_come_again_if_too_much_waits(send: Send, settings: Settings) -> None:
    assert send(request_of(ITEM, ITEM)).status_code == HTTPStatus.ACCEPTED
    settings.LETTERLOCK_OUTBOX_DEPTH = 2
    depth.forget()
    response = send(request_of(ITEM), key="two")
    assert response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert int(response["Retry-After"]) > 0
    assert Message.objects.count() == 2
    assert {message.status for message in Message.objects.all()} == {MessageStatus.QUEUED}
    depth.forget()
