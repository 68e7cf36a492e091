"""Anybody hands in their own certificate on a page: what is wrong with it is said in plain words, and nothing is published before it is proven."""

import secrets
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from directory.models import Certificate
from directory.publishing import hide
from directory.x509.names import EmailAddress
from mailer.models import Notice, Publication
from mailer.proving import submit
from tests.pki import Authority, Usage
from tests.portal.conftest import Published
from tests.portal.people import Cast, Person

TO = "Dora@example.com"
DORA = EmailAddress.parse(TO)
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def form(content: bytes, email: str = "") -> dict[str, object]:
    return {"email": email, "certificate": SimpleUploadedFile("own.crt", content)}


@pytest.mark.parametrize("email", ["", TO, "dora@EXAMPLE.com"])
def test_it_takes_a_certificate_and_mails_the_proof(client: Client, authority: Authority, email: str) -> None:
    assert client.get("/publish/").status_code == 200
    answer = client.post("/publish/", form(authority.leaf(TO).der, email))
    assert answer.status_code == 202
    assert "a mail that is sealed to your certificate" in answer.text
    publication = Publication.objects.get()
    assert (publication.match, publication.organization, publication.actor) == (DORA.match, None, "anonymous")
    assert {notice.match for notice in Notice.objects.all()} == {DORA.match}
    assert not Certificate.objects.exists(), "nothing is published before it is proven"


def test_it_takes_pem_and_pkcs7_with_the_chain(client: Client, authority: Authority) -> None:
    leaf = authority.leaf(TO)
    bundle = serialize_certificates([authority.issuer.certificate, leaf.certificate], Encoding.DER)
    for content in (leaf.pem, bundle):
        assert client.post("/publish/", form(content)).status_code == 202
    first, second = Publication.objects.order_by("created_at")
    assert first.fingerprint == second.fingerprint
    assert [bytes(der) for der in second.chain] == [authority.issuer.der]


def test_a_signing_certificate_is_taken_too(client: Client, authority: Authority) -> None:
    answer = client.post("/publish/", form(authority.leaf(TO, usage=Usage.SIGN).der))
    assert answer.status_code == 202
    assert "Your certificate is for signing" in answer.text


def refusals(authority: Authority) -> dict[str, tuple[bytes, str, str]]:
    leaf = authority.leaf(TO)
    return {
        "no file": (b"", "", "is empty"),
        "no certificate": (b"hello", "", "is not a certificate in PEM, DER or PKCS#7 form"),
        "a private key": (leaf.pem + leaf.key_pem, "", "holds a private key"),
        "another address": (leaf.der, "charlie@example.net", "names another e-mail address"),
        "no address": (leaf.der, "dora@", "should look like name@example.com"),
        "an authority": (authority.issuer.der, TO, "names another e-mail address"),
        "too short a key": (authority.leaf(TO, "rsa1024").der, "", "too short or known to be weak"),
        "an unsupported key": (authority.leaf(TO, "p521").der, "", "cannot work with this kind of key"),
        "expired": (authority.leaf(TO, days=(-20, -10)).der, "", "has expired or is not valid yet"),
    }


@pytest.mark.parametrize("case", list(refusals(Authority())))
def test_it_says_what_is_wrong(client: Client, authority: Authority, case: str) -> None:
    content, email, words = refusals(authority)[case]
    answer = client.post("/publish/", form(content, email))
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert words in answer.text
    assert not Publication.objects.exists()
    assert not Notice.objects.exists()


def test_it_asks_which_address_where_several_are_named(client: Client, authority: Authority) -> None:
    both = serialize_certificates([authority.leaf(TO).certificate, authority.leaf("erik@example.com").certificate], Encoding.DER)
    answer = client.post("/publish/", form(both))
    assert answer.status_code == 422
    assert "names several addresses" in answer.text
    assert client.post("/publish/", form(both, "erik@example.com")).status_code == 202
    assert Publication.objects.get().match == "erik@example.com"


def test_it_reads_no_more_than_a_megabyte(client: Client, authority: Authority) -> None:
    answer = client.post("/publish/", form(authority.leaf(TO).pem + b"\n" * (1024 * 1024)))
    assert answer.status_code == 422
    assert "too large" in answer.text
    assert client.post("/publish/", form(b"x" * (2 * 1024 * 1024))).status_code == 413
    assert not Publication.objects.exists()


def test_it_mails_an_address_three_proofs_a_day(client: Client, authority: Authority, now: datetime) -> None:
    holder = authority.leaf(TO)
    for _time in range(3):
        submit(address=DORA, der=holder.der, organization=None, actor="user:test", at=now)
    answer = client.post("/publish/", form(holder.der))
    assert answer.status_code == 422
    assert "three mails of this kind" in answer.text


def test_it_draws_on_the_quota_of_look_ups(client: Client, authority: Authority, settings: Settings) -> None:
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 1
    there = f"2001:db8:{secrets.token_hex(2)}::1"
    assert client.post("/publish/", form(authority.leaf(TO).der), REMOTE_ADDR=there).status_code == 202
    refused = client.post("/publish/", form(authority.leaf("erik@example.com").der), REMOTE_ADDR=there)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert client.get("/publish/", REMOTE_ADDR=there).status_code == 200, "the page itself costs nothing"
    assert Publication.objects.count() == 1


def test_it_tells_charlie_nothing_of_what_is_published(client: Client, authority: Authority, published: Published, now: datetime) -> None:
    """The answer to an upload is the same for a mailbox that is known, hidden or unknown."""
    published("aaaa@example.com")
    hide(mailbox=published("bbbb@example.com").mailbox, actor="user:test", at=now)
    answers = set()
    for letter in "abc":
        holder = authority.leaf(f"{letter * 4}@example.com")
        answer = client.post("/publish/", form(holder.der))
        text = answer.text.replace(letter * 4 + "<wbr>", "xxxx<wbr>")
        groups = [holder.certificate.fingerprint(SHA256()).hex()[at : at + 4] for at in range(0, 64, 4)]
        for group in groups:
            text = text.replace(f"<span>{group}</span>", "<span/>")
        answers.add((answer.status_code, text))
    assert len(answers) == 1


def test_being_signed_in_changes_nothing(cast: Cast, authority: Authority) -> None:
    """Charlie's organisation hands in as anybody does: the proof goes to the mailbox, and nothing is theirs."""
    assert cast.client(Person.CHARLIE).post("/publish/", form(authority.leaf(TO).der)).status_code == 202
    publication = Publication.objects.get()
    assert (publication.organization, publication.actor) == (None, "anonymous")


def test_it_takes_no_form_from_another_site(authority: Authority) -> None:
    assert Client(enforce_csrf_checks=True).post("/publish/", form(authority.leaf(TO).der)).status_code == 403
    assert not Publication.objects.exists()
