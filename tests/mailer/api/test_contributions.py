"""`/api/v1/contributions`: a signed mail in, a question to its sender out, and nothing of it for Charlie."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.test import Client
from pytest_django import Settings

from directory.models import Organization
from directory.tokens import make_token
from mailer import collecting
from mailer.contributed import MOST_OCTETS
from mailer.dkim import DomainSigner
from mailer.forgetting import keep_out
from mailer.inviting import digest_of
from mailer.models import Consent, Notice
from portal.running.nameserver import Zone
from tests.mailer.foreign import keep, trust
from tests.mailer.signed_mail import crl, mail, signature
from tests.pki import Authority, Usage

pytestmark = pytest.mark.django_db
DORA = "dora@people.example.net"
Post = Callable[..., Any]


def poster(client: Client, organization: Organization, now: datetime, *scopes: str) -> Post:
    _token, text = make_token(organization=organization, name="Directory", scopes=scopes or ("publish",), actor="user:alice", at=now)

    def call(body: bytes | None = None, content_type: str = "message/rfc822", *, path: str = "") -> Any:
        address, headers = f"/api/v1/contributions{path}", {"Authorization": f"Bearer {text}"}
        return client.get(address, headers=headers) if body is None else client.post(address, body, content_type=content_type, headers=headers)

    return call


@pytest.fixture
def hand_in(client: Client, bank: Organization, now: datetime) -> Post:
    return poster(client, bank, now)


@pytest.fixture
def signed(authority: Authority, now: datetime, zone: Zone) -> bytes:
    """Dora's mail; her authority is trusted, and her domain has no records."""
    assert zone
    trust(authority.root, at=now)
    keep(crl(authority.root, at=now), crl(authority.issuer, at=now), at=now)
    dora = authority.leaf(DORA, "p256", Usage.DUAL)
    return mail(signature(dora, [dora.der, authority.issuer.der]), sender=DORA)


def test_it_takes_a_signed_mail_and_asks(hand_in: Post, signed: bytes) -> None:
    response = hand_in(signed)
    assert response.status_code == HTTPStatus.ACCEPTED, response.content
    told = response.json()
    assert told == {"id": told["id"], "status": "awaiting_consent"}
    assert response.headers["Cache-Control"] == "no-store"
    assert Notice.objects.get().recipient == DORA
    assert hand_in(path=f"/{told['id']}").json() == told


def test_it_says_why_a_mail_is_refused(hand_in: Post, signed: bytes) -> None:
    for body, reason in (
        (signed.replace(b"between us", b"between me"), "content_changed"),
        (b"From: x@example.net\r\n\r\nHello\r\n", "not_signed"),
        (signed.replace(f"From: {DORA}".encode(), b"From: charlie@shop.example.net"), "other_sender"),
        (b"\xff" * 100, "malformed"),
    ):
        response = hand_in(body)
        assert response.status_code == HTTPStatus.ACCEPTED
        told = response.json()
        assert (told["status"], told["reason"]) == ("refused", reason)
        assert hand_in(path=f"/{told['id']}").json() == told
    assert not Notice.objects.exists()


def test_charlie_sees_nothing_of_it(hand_in: Post, signed: bytes, client: Client, shop: Organization, now: datetime) -> None:
    told = hand_in(signed).json()
    charlie = poster(client, shop, now)
    assert charlie(path=f"/{told['id']}").status_code == HTTPStatus.NOT_FOUND
    assert charlie(path=f"/{uuid4()}").status_code == HTTPStatus.NOT_FOUND


def test_the_scope_is_needed(client: Client, bank: Organization, signed: bytes, now: datetime) -> None:
    assert poster(client, bank, now, "send")(signed).status_code == HTTPStatus.FORBIDDEN
    assert client.post("/api/v1/contributions", signed, content_type="message/rfc822").status_code == HTTPStatus.UNAUTHORIZED
    assert not Consent.objects.exists()


def test_who_wants_no_mail_is_not_told_of(hand_in: Post, signed: bytes, now: datetime) -> None:
    """The same answer, byte for byte but for the id, as for one who is asked."""
    keep_out(DORA, at=now)
    response = hand_in(signed)
    assert (response.status_code, set(response.json()), response.json()["status"]) == (HTTPStatus.ACCEPTED, {"id", "status"}, "awaiting_consent")
    assert not Notice.objects.exists()


def test_consent_is_told_and_a_no_is_not(hand_in: Post, signed: bytes, client: Client) -> None:
    told = hand_in(signed).json()
    Consent.objects.filter(pk=told["id"]).update(secret_digest=digest_of("s" * 43))
    assert client.post(f"/consent/{'s' * 43}/").status_code == HTTPStatus.OK
    assert hand_in(path=f"/{told['id']}").json()["status"] == "given"
    Consent.objects.filter(pk=told["id"]).update(status="awaiting_consent", answered_at=None)
    assert client.post(f"/consent/{'s' * 43}/never/").status_code == HTTPStatus.OK
    assert hand_in(path=f"/{told['id']}").json() == told


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_is_no_mail(hand_in: Post, body: bytes) -> None:
    assert hand_in(body).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_other_media_types_are_not_taken(hand_in: Post, signed: bytes) -> None:
    assert hand_in(signed, "application/octet-stream").status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_it_has_a_largest_size(hand_in: Post) -> None:
    assert hand_in(b"x" * (MOST_OCTETS + 1)).status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert hand_in(b"x" * MOST_OCTETS).json()["status"] == "refused"


def test_more_than_a_days_share_is_for_tomorrow(hand_in: Post, signed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_FOR_ORGANIZATION", 1)
    hand_in(signed)
    response = hand_in(signed)
    assert (response.status_code, response.headers["Retry-After"]) == (HTTPStatus.TOO_MANY_REQUESTS, "86400")


def test_dkim_is_looked_up_in_the_dns(hand_in: Post, signed: bytes, zone: Zone, settings: Settings, now: datetime) -> None:
    made = DomainSigner("people.example.net", "mail", ed25519.Ed25519PrivateKey.generate())
    with_dkim = made.sign(signed, at=now)
    assert hand_in(with_dkim).json()["reason"] == "dkim_fails", "there is no such key"
    name, text = made.record
    zone.add(name, "TXT", text)
    assert hand_in(with_dkim).json()["status"] == "awaiting_consent"
    settings.LETTERLOCK_DNS = "127.0.0.1:1"
    response = hand_in(with_dkim)
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.headers["Retry-After"]
