"""`/api/v1/publications`: any form of one certificate in, a sealed proof out, and nothing of it for Charlie."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from directory.models import Organization
from directory.tokens import make_token
from mailer.mailbox_erasing import erase_address
from mailer.models import Notice, Publication
from mailer.notices import deliver_notices
from mailer.proving import expire_proofs
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk

TO, EVE = "Dora@people.example.net", "eve@people.example.net"
Post = Callable[..., Any]


def poster(client: Client, organization: Organization, now: datetime, *scopes: str) -> Post:
    _token, text = make_token(organization=organization, name="Directory", scopes=scopes or ("publish",), actor="user:alice", at=now)
    headers = {"Authorization": f"Bearer {text}"}

    def call(body: Any = None, content_type: str = "application/pkix-cert", *, path: str = "") -> Any:
        address = f"/api/v1/publications{path}"
        if body is None:
            return client.get(address, headers=headers)
        if isinstance(body, dict):
            return client.post(address, body, headers=headers)
        return client.post(address, body, content_type=content_type, headers=headers)

    return call


@pytest.fixture
def hand_in(client: Client, bank: Organization, now: datetime) -> Post:
    return poster(client, bank, now)


def link_in(content: bytes) -> str:
    found = re.search(r"/publications/[\w-]+/", content.decode().replace("=\r\n", ""))
    assert found
    return found[0]


def chain_of(desk: Desk) -> bytes:
    certificates = [desk.authority.leaf(TO).certificate, desk.authority.issuer.certificate]
    return pkcs7.serialize_certificates(certificates, Encoding.DER)


FORMS: dict[str, tuple[Callable[[Desk], Any], str]] = {
    "DER": (lambda desk: desk.authority.leaf(TO).der, "application/pkix-cert"),
    "PEM": (lambda desk: desk.authority.leaf(TO).pem, "application/x-pem-file"),
    "PEM, no type that fits": (lambda desk: desk.authority.leaf(TO).pem, "application/octet-stream"),
    "PEM with its chain": (lambda desk: desk.authority.issuer.pem + desk.authority.leaf(TO).pem, "text/plain"),
    "PKCS#7": (chain_of, "application/pkcs7-mime"),
    "form": (lambda desk: {"certificate": SimpleUploadedFile("c.pem", desk.authority.leaf(TO).pem)}, ""),
    "form with address": (lambda desk: {"certificate": SimpleUploadedFile("c.pem", desk.authority.leaf(TO).pem), "email": TO.lower()}, ""),
}


@pytest.mark.parametrize("form", FORMS)
def test_it_takes_every_form(form: str, hand_in: Post, desk: Desk) -> None:
    make, content_type = FORMS[form]
    response = hand_in(make(desk), content_type)
    assert response.status_code == HTTPStatus.ACCEPTED, response.content
    told = response.json()
    assert told["email"].lower() == TO.lower()
    assert told["status"] == "awaiting_mailbox_proof"
    assert Notice.objects.count() == 1
    assert hand_in(path=f"/{told['id']}").json() == told


def test_it_tells_when_it_is_published(hand_in: Post, client: Client, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO, "rsa2048")
    made = hand_in(holder.der).json()
    deliver_notices(at=now + timedelta(minutes=1))
    assert client.post(link_in(desk.decrypt(inbox_server.inbox.mails(TO)[0].content, holder))).status_code == HTTPStatus.OK
    assert hand_in(path=f"/{made['id']}").json() == {"id": made["id"], "email": made["email"], "status": "published"}


def test_what_was_not_answered_looks_the_same_after_an_erasure(hand_in: Post, now: datetime, desk: Desk) -> None:
    """Charlie, who hands in what he likes, is not told by it."""
    erased, expired = (hand_in(desk.authority.leaf(email).der).json()["id"] for email in (TO, EVE))
    erase_address(TO.lower(), actor="owner", at=now)
    assert expire_proofs(at=now + timedelta(days=2)) == 1
    assert hand_in(path=f"/{erased}").json() == {"id": erased, "email": "", "status": "expired"}
    assert hand_in(path=f"/{expired}").json() == {"id": expired, "email": "", "status": "expired"}


def test_what_was_published_names_its_address_until_an_erasure(
    hand_in: Post, client: Client, inbox_server: InboxServer, now: datetime, desk: Desk
) -> None:
    holder = desk.authority.leaf(TO, "rsa2048")
    made = hand_in(holder.der).json()["id"]
    deliver_notices(at=now + timedelta(minutes=1))
    client.post(link_in(desk.decrypt(inbox_server.inbox.mails(TO)[0].content, holder)))
    before = hand_in(path=f"/{made}").json()
    erase_address(TO.lower(), actor="owner", at=now + timedelta(minutes=2))
    assert hand_in(path=f"/{made}").json() == {**before, "email": ""} == {"id": made, "email": "", "status": "published"}


REFUSED: dict[str, tuple[Callable[[Desk], Any], int, str]] = {
    "expired": (lambda desk: desk.authority.leaf(TO, days=(-20, -1)).der, 422, "expired"),
    "weak": (lambda desk: desk.authority.leaf(TO, "rsa1024").der, 422, "too short"),
    "CA": (lambda desk: desk.authority.issuer.der, 422, "names no e-mail address"),
    "key": (lambda desk: desk.authority.leaf(TO).key_pem, 422, "private key"),
    "key beside it": (lambda desk: desk.authority.leaf(TO).pem + desk.authority.leaf(TO).key_pem, 422, "private key"),
    "empty": (lambda _desk: b"", 422, "The body is empty"),
    "nothing": (lambda _desk: b" ", 422, "no certificate"),
    "rubbish": (lambda _desk: b"0" + bytes(100), 422, ""),
    "huge": (lambda _desk: b"0" * (1024 * 1024 + 1), 413, "too large"),
    "huger": (lambda _desk: b"0" * (3 * 1024 * 1024), 413, "too large"),
    "form without file": (lambda _desk: {"email": TO}, 422, "no file"),
    "form with text": (lambda desk: {"certificate": desk.authority.leaf(TO).pem.decode()}, 422, "no file"),
    "another address": (
        lambda desk: {"certificate": SimpleUploadedFile("c", desk.authority.leaf(TO).pem), "email": "charlie@shop.example.net"},
        422,
        "names another",
    ),
    "malformed address": (lambda desk: {"certificate": SimpleUploadedFile("c", desk.authority.leaf(TO).pem), "email": "a@b\nBcc: c"}, 422, "e-mail"),
    "two people": (lambda desk: desk.authority.leaf(TO).pem + desk.authority.leaf("eve@people.example.net").pem, 422, "several addresses"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_says_why_not(what: str, hand_in: Post, desk: Desk) -> None:
    make, status, words = REFUSED[what]
    response = hand_in(make(desk))
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert words in response.content.decode()
    assert not Publication.objects.exists()
    assert not Notice.objects.exists()


def test_it_mails_an_address_twice_a_day(hand_in: Post, client: Client, shop: Organization, now: datetime, desk: Desk) -> None:
    der = desk.authority.leaf(TO).der
    for _time in range(2):
        assert hand_in(der).status_code == HTTPStatus.ACCEPTED
    for call in (hand_in, poster(client, shop, now)):
        response = call(der)
        assert response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        assert int(response["Retry-After"]) > 0


def test_it_shows_charlie_nothing(hand_in: Post, client: Client, shop: Organization, now: datetime, desk: Desk) -> None:
    made = hand_in(desk.authority.leaf(TO).der).json()
    assert poster(client, shop, now)(path=f"/{made['id']}").status_code == HTTPStatus.NOT_FOUND
    assert client.get(f"/api/v1/publications/{made['id']}").status_code == HTTPStatus.UNAUTHORIZED


def test_it_asks_for_the_scope(client: Client, bank: Organization, now: datetime, desk: Desk) -> None:
    assert poster(client, bank, now, "send")(desk.authority.leaf(TO).der).status_code == HTTPStatus.FORBIDDEN
    assert client.post("/api/v1/publications", b"x", content_type="text/plain").status_code == HTTPStatus.UNAUTHORIZED
