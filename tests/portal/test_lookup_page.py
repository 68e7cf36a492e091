"""The look-up as a page, and certificates as files."""

import hashlib
import secrets
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from directory.models import Certificate, Level
from directory.publishing import erase, hide, revoke
from directory.selection import Reason
from portal.views.look_up import REASONS, common_name
from tests.pki import Usage
from tests.portal.conftest import Published


def test_it_shows_who_a_certificate_names_who_issued_it_and_which_is_taken(client: Client, published: Published) -> None:
    better = published("dora@example.com", level=Level.V2)
    published("dora@example.com", key="rsa2048", usage=Usage.SIGN)
    page = client.get("/lookup", {"email": "Dora@Example.com"})
    assert page.status_code == 200
    assert page.context["selected"].fingerprint == better.fingerprint
    assert [row.reason for row in page.context["certificates"]] == [REASONS[Reason.SELECTED], REASONS[Reason.USAGE]]
    for part in ("Test S/MIME CA", "individual-validated", "EC P-256", "Can be sealed to"):
        assert part in page.text


@pytest.mark.django_db
def test_it_says_that_there_is_none(client: Client) -> None:
    page = client.get("/lookup", {"email": "nobody@example.com"})
    assert page.status_code == 200
    assert "Cannot be sealed to yet" in page.text
    assert page.context["certificates"] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked",
    ["dora", "dora@", "@example.com", "a b@example.com", "dora@example.com\r\nBcc: x@example.com", "x" * 400 + "@example.com", "\x00@example.com"],
)
def test_it_explains_an_address_that_is_none(client: Client, asked: str) -> None:
    page = client.get("/lookup", {"email": asked})
    assert page.status_code == 422
    assert "name@example.com" in page.context["fault"]
    assert 'aria-invalid="true"' in page.text


@pytest.mark.django_db
def test_it_runs_nothing_that_was_typed(client: Client) -> None:
    assert "<script>" not in client.get("/lookup", {"email": '"><script>alert(1)</script>'}).text


def test_it_knows_nothing_of_the_hidden_and_the_erased(client: Client, published: Published, now: datetime) -> None:
    hidden, erased = published("hidden@example.com"), published("erased@example.com", key="rsa2048")
    hide(mailbox=hidden.mailbox, actor="user:test", at=now)
    erase(mailbox=erased.mailbox, actor="user:test", at=now)
    for certificate, address in ((hidden, "hidden@example.com"), (erased, "erased@example.com")):
        assert client.get("/lookup", {"email": address}).context["certificates"] == []
        assert client.get(reverse("certificate-file", args=[certificate.fingerprint, "crt"])).status_code == 404


def test_it_tells_why_a_revoked_one_is_not_taken(client: Client, published: Published, now: datetime) -> None:
    certificate = published("dora@example.com")
    revoke(certificate=certificate, reason="key_compromise", actor="user:test", at=now)
    page = client.get("/lookup", {"email": "dora@example.com"})
    assert [row.reason for row in page.context["certificates"]] == [REASONS[Reason.REVOKED]]
    assert page.context["selected"] is None


@pytest.mark.django_db
def test_it_stops_those_who_read_the_directory_through(client: Client, settings: Settings) -> None:
    """The page draws on the same quota as the API, so that it is no way around it."""
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 2
    there = f"2001:db8:{secrets.token_hex(2)}::1"
    answers = [client.get("/lookup", {"email": f"n{number}@example.com"}, REMOTE_ADDR=there) for number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert "more look-ups than one may make" in answers[-1].text
    assert client.get("/lookup", {"email": "n@example.com"}, REMOTE_ADDR=f"2001:db8:{secrets.token_hex(2)}:1::1").status_code == 200
    assert client.get("/api/v1/certificates", {"email": "n@example.com"}, REMOTE_ADDR=there).status_code == 429


def test_it_gives_the_certificate_as_a_file(client: Client, published: Published) -> None:
    certificate = published("dora@example.com")
    der = client.get(reverse("certificate-file", args=[certificate.fingerprint, "crt"]))
    pem = client.get(reverse("certificate-file", args=[certificate.fingerprint, "pem"]))
    assert hashlib.sha256(der.content).hexdigest() == certificate.fingerprint
    assert der.headers["Content-Type"] == "application/pkix-cert"
    assert load_pem_x509_certificate(pem.content).fingerprint(SHA256()).hex() == certificate.fingerprint
    assert "attachment" in pem.headers["Content-Disposition"]
    assert client.get(reverse("certificate-file", args=["0" * 64, "crt"])).status_code == 404


def test_every_reason_has_words() -> None:
    assert set(REASONS) == set(Reason)


def test_it_shortens_an_issuer_to_its_name() -> None:
    assert common_name("CN=Demo CA 1,O=Letterlock,C=DE") == "Demo CA 1"
    assert common_name("O=No common name") == "O=No common name"


def test_it_answers_for_signatures(client: Client, published: Published) -> None:
    signs = published("dora@example.com", usage=Usage.SIGN)
    published("dora@example.com", key="rsa2048", usage=Usage.ENCRYPT)
    page = client.get("/lookup", {"email": "dora@example.com", "usage": "sign"})
    assert page.context["selected"].fingerprint == signs.fingerprint
    assert [str(row.reason) for row in page.context["certificates"]][1] == "encrypts only: cannot sign"
    assert "Signatures can be checked" in page.text


def test_it_answers_for_the_past_and_never_with_what_was_hidden_since(client: Client, published: Published, now: datetime) -> None:
    certificate = published("dora@example.com")
    Certificate.objects.update(published_at=now - timedelta(days=10), not_before=now - timedelta(days=20))
    revoke(certificate=certificate, reason="key_compromise", actor="user:test", at=now)
    asked = {"email": "dora@example.com", "at": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}"}
    assert client.get("/lookup", {"email": "dora@example.com"}).context["selected"] is None
    assert client.get("/lookup", asked).context["selected"].fingerprint == certificate.fingerprint
    before = client.get("/lookup", asked | {"at": f"{now - timedelta(days=11):%Y-%m-%dT%H:%M}"})
    assert [row.reason for row in before.context["certificates"]] == [REASONS[Reason.NOT_YET_PUBLISHED]]
    hide(mailbox=certificate.mailbox, actor="user:test", at=now)
    assert client.get("/lookup", asked).context["certificates"] == []


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", [{"at": "yesterday"}, {"at": "2999-01-01T00:00"}, {"at": "9999-12-31T23:59-23:59"}, {"usage": "dance"}])
def test_it_explains_what_it_cannot_answer(client: Client, wrong: dict[str, str]) -> None:
    page = client.get("/lookup", {"email": "dora@example.com", **wrong})
    assert page.status_code == 422
    assert page.context["fault_at"] in wrong
    assert 'aria-invalid="true"' in page.text
