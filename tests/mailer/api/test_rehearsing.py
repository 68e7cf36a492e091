"""`"dry_run": true`: what would become of messages, by the same rules as sending them, while nothing is stored and nobody is invited."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import jsonschema
import pytest
from django.test import Client
from pytest_django import Settings

from directory.models import Change, ChangeKind
from directory.publishing import hide
from directory.tokens import make_token
from mailer.models import Batch, Invitation, Message, SendEvent, SigningIdentity
from mailer.sending import drain
from mailer.smime.capabilities import OURS
from tests.mailer.letters import Desk, publish_for
from tests.pki import Usage

TO = "bob@people.example.org"
ITEM: dict[str, Any] = {"to": TO, "subject": "Statement", "text": "Hello"}
Rehearse = Callable[..., Any]


@pytest.fixture
def rehearse(bills: SigningIdentity, client: Client, now: datetime) -> Rehearse:
    """POST a dry run with the bank's token, without a key; gives the answer."""
    _token, text = make_token(organization=bills.organization, name="Billing", scopes=["send"], actor="user:alice", at=now)

    def post(*items: dict[str, Any], sender: str = bills.address, headers: dict[str, str] | None = None, **more: Any) -> Any:
        body = {"from": sender, "messages": list(items), "dry_run": True, **more}
        given = {"Authorization": f"Bearer {text}", **(headers or {})}
        return client.post("/api/v1/messages", json.dumps(body), content_type="application/json", headers=given)

    return post


def nothing_happened() -> bool:
    asked = Change.objects.filter(kind=ChangeKind.INVITE).exists()
    return not asked and not any(model.objects.exists() for model in (Batch, Message, SendEvent, Invitation))


def test_it_says_what_each_message_would_come_to_and_stores_nothing(rehearse: Rehearse, desk: Desk, now: datetime) -> None:
    certificate = publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    response = rehearse({**ITEM, "reference": "r-1"}, {**ITEM, "to": "dora@people.example.org"}, {**ITEM, "to": TO.upper(), "text": "€"})
    assert response.status_code == HTTPStatus.OK
    assert response["Cache-Control"] == "no-store"
    answer = response.json()
    assert answer["dry_run"] is True
    found, missing, again = answer["messages"]
    assert (found["to"], found["reference"], found["status"], found["size"]) == (TO, "r-1", "would_seal", 5)
    assert found["certificate"] == certificate.fingerprint
    assert (found["certificates"], found["left_out"]) == ([certificate.fingerprint], [])
    assert (found["key_management"], found["content_encryption"], found["reason"]) == ("rsa-pkcs1-v1.5", "aes-256-cbc", "default")
    assert found["receipt"] == [{"fingerprint": certificate.fingerprint, "accepted": True, "reason": "selected"}]
    assert missing == {
        "to": "dora@people.example.org", "reference": "", "status": "would_hold", "reason": "no_certificate", "certificate": None,
        "certificates": [], "left_out": [], "key_management": None, "content_encryption": None, "receipt": [], "size": 5,
    }  # fmt: skip
    assert (again["status"], again["size"]) == ("would_seal", 3)
    assert nothing_happened()


@pytest.mark.usefixtures("inbox_server")
def test_it_foretells_what_sending_then_does(rehearse: Rehearse, bills: SigningIdentity, desk: Desk, client: Client, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    publish_for(desk.authority.leaf("dora@people.example.org", usage=Usage.SIGN), "dora@people.example.org", at=now)
    items = [ITEM, {**ITEM, "to": "dora@people.example.org"}]
    foretold = [(told["to"], told["status"], told["certificate"] or "") for told in rehearse(*items).json()["messages"]]
    _token, text = make_token(organization=bills.organization, name="Real", scopes=["send"], actor="user:alice", at=now)
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "one"}
    body = json.dumps({"from": bills.address, "messages": items, "dry_run": False})
    assert client.post("/api/v1/messages", body, content_type="application/json", headers=headers).status_code == HTTPStatus.ACCEPTED
    drain(at=now)
    came = {"handed": "would_seal", "held": "would_hold"}
    assert foretold == [(row.recipient, came[row.status], row.certificate) for row in Message.objects.order_by("position")]


@pytest.mark.parametrize(("on_missing", "status"), [("hold", "would_hold"), ("fail", "would_fail"), ("notice", "would_fail")])
def test_it_foretells_a_miss_as_its_sender_chose_and_invites_nobody(on_missing: str, status: str, rehearse: Rehearse) -> None:
    assert rehearse(ITEM, on_missing=on_missing).json()["messages"][0]["status"] == status
    assert nothing_happened()


def test_it_says_of_every_certificate_why_not(rehearse: Rehearse, desk: Desk, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO, usage=Usage.SIGN), TO, at=now)
    (told,) = rehearse(ITEM).json()["messages"]
    assert told["status"] == "would_hold"
    assert [line["reason"] for line in told["receipt"]] == ["usage"]


def test_it_goes_by_what_the_recipients_program_can_open(rehearse: Rehearse, desk: Desk, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO, "rsa2048", capabilities=OURS), TO, at=now)
    (told,) = rehearse(ITEM).json()["messages"]
    assert (told["key_management"], told["content_encryption"], told["reason"]) == ("rsa-oaep-sha256", "aes-256-gcm", "capabilities")


def test_it_names_what_is_left_out_for_its_kind_of_key(rehearse: Rehearse, desk: Desk, now: datetime) -> None:
    rsa, ec = (publish_for(desk.authority.leaf(TO, kind), TO, at=now) for kind in ("rsa2048", "p256"))
    (told,) = rehearse(ITEM).json()["messages"]
    assert (told["certificate"], told["certificates"], told["left_out"]) == (rsa.fingerprint, [rsa.fingerprint], [ec.fingerprint])


def test_what_is_hidden_is_none(rehearse: Rehearse, desk: Desk, now: datetime) -> None:
    certificate = publish_for(desk.authority.leaf(TO), TO, at=now)
    hide(mailbox=certificate.mailbox, actor="user:bob", at=now + timedelta(seconds=1))
    hidden, none = rehearse(ITEM, {**ITEM, "to": "dora@people.example.org"}).json()["messages"]
    assert {**hidden, "to": ""} == {**none, "to": ""}


def test_it_refuses_what_sending_refuses(rehearse: Rehearse) -> None:
    response = rehearse(ITEM, {**ITEM, "subject": "a\r\nBcc: charlie@shop.example.net"})
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert [error["pointer"] for error in response.json()["errors"]] == ["/messages/1/subject"]
    assert rehearse(ITEM, sender="nobody@bank.example.com").json()["errors"][0]["pointer"] == "/from"
    assert rehearse(ITEM, dry_run="yes").json()["errors"][0]["pointer"] == "/dry_run"
    assert nothing_happened()


def test_it_leaves_a_key_unused(rehearse: Rehearse) -> None:
    for text in ("Hello", "Another"):
        assert rehearse({**ITEM, "text": text}, headers={"Idempotency-Key": "one"}).status_code == HTTPStatus.OK


def test_it_counts_as_the_look_ups_that_it_makes(rehearse: Rehearse, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 3
    assert rehearse(ITEM, ITEM).status_code == HTTPStatus.OK
    response = rehearse(ITEM, ITEM)
    assert response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert int(response["Retry-After"]) > 0


def test_charlie_rehearses_nothing_from_the_banks_address(rehearse: Rehearse, offers: SigningIdentity) -> None:
    assert rehearse(ITEM, sender=offers.address).json()["errors"][0]["pointer"] == "/from"


def test_its_answer_fits_its_description(rehearse: Rehearse, desk: Desk, client: Client, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    components = client.get("/api/v1/schema/").json()["components"]
    validator = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/DryRun", "components": components})
    validator.validate(rehearse(ITEM, {**ITEM, "to": "dora@people.example.org"}).json())
