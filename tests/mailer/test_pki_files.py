"""`/pki/`: issuers and CRLs for everybody who checks a certificate, and nothing else."""

from datetime import timedelta

import pytest
from cryptography import x509
from django.test import Client
from pytest_django import Settings

from mailer.ca.shards import Shard, newest
from mailer.models import Authority, CertificateRevocationList

ISSUER = "/pki/smime-1.crt"
LIST = "/pki/smime-1/0.crl"


@pytest.mark.usefixtures("ca")
def test_it_gives_the_issuers_certificate(client: Client) -> None:
    answer = client.get(ISSUER)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pkix-cert")
    assert answer.content == bytes(Authority.objects.get(pk="smime-1").certificate)
    assert "public" in answer["Cache-Control"]
    assert client.head(ISSUER).content == b""


@pytest.mark.usefixtures("ca")
def test_it_gives_the_newest_list(client: Client) -> None:
    old = newest(Shard("smime-1", 0))
    assert old is not None
    CertificateRevocationList.objects.create(
        authority_id="smime-1", shard=0, number=old.number + 1, der=b"newer", this_update=old.this_update, next_update=old.next_update
    )
    answer = client.get(LIST)
    assert (answer.content, answer["Content-Type"]) == (b"newer", "application/pkix-crl")


@pytest.mark.usefixtures("ca")
def test_it_is_not_kept_beyond_the_next_list(client: Client) -> None:
    current = newest(Shard("smime-1", 0))
    assert current is not None
    assert client.get(LIST)["Cache-Control"] == "public, max-age=600"
    CertificateRevocationList.objects.update(next_update=current.this_update - timedelta(days=1))
    assert client.get(LIST)["Cache-Control"] == "public, max-age=0"


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("path", [ISSUER, LIST])
def test_it_answers_that_nothing_changed(path: str, client: Client) -> None:
    tag = client.get(path)["ETag"]
    again = client.get(path, headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("path", [ISSUER, LIST])
def test_it_takes_no_changes(path: str, client: Client) -> None:
    for method in ("post", "put", "patch", "delete"):
        assert getattr(client, method)(path).status_code == 405


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize(
    "path",
    [
        "/pki/other.crt",
        "/pki/smime-1/1.crl",
        "/pki/other/0.crl",
        f"/pki/smime-1/{10**30}.crl",
        f"/pki/{'x' * 300}.crt",
        "/pki/smime-1/-1.crl",
        "/pki/",
    ],
)
def test_it_knows_no_others(path: str, client: Client) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.usefixtures("ca")
def test_it_is_served_over_http_although_the_portal_is_not(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(LIST, headers={"host": "pki.example.org"}).status_code == 200
    assert client.get("/", headers={"host": "pki.example.org"}).status_code == 301


@pytest.mark.usefixtures("ca")
def test_it_names_its_own_address_in_every_shard(client: Client) -> None:
    found = x509.load_der_x509_crl(client.get(LIST).content)
    point = found.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert point.critical
    assert [name.value for name in point.value.full_name or []] == [f"http://pki.example.org{LIST}"]
    assert point.value.only_contains_user_certs
