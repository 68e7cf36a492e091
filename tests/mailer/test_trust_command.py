"""`manage.py trust`: what an operator may add to the trust store by hand, and take out again."""

from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import CommandError, call_command

from directory.models import DirectoryEvent, RevocationSource, TrustedAuthority
from directory.x509.certificate import parse_certificate
from tests.mailer.foreign import ForeignAuthority
from tests.mailer.smime.test_verifying_chains import SERVERS, UNKNOWN, Chain, usage
from tests.pki import Authority, Holder, key_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    return ForeignAuthority(now)


def run(*arguments: str | Path) -> str:
    said = StringIO()
    call_command("trust", "--actor", "operator:olga", *map(str, arguments), stdout=said)
    return said.getvalue()


def file_of(folder: Path, *holders: Holder) -> Path:
    path = folder / "authority.pem"
    path.write_bytes(b"".join(holder.pem for holder in holders))
    return path


def test_it_adds_roots_and_intermediates_each_as_what_it_is(elsewhere: ForeignAuthority, tmp_path: Path) -> None:
    said = run("add", file_of(tmp_path, elsewhere.root, elsewhere.issuer))
    assert "Trusted as root: CN=Elsewhere Root" in said
    assert "Trusted as intermediate: CN=Elsewhere S/MIME CA" in said
    assert "root (added) CN=Elsewhere Root" in run("list")
    assert set(DirectoryEvent.objects.values_list("actor", "verb")) == {("operator:olga", "authority.added")}


def test_it_takes_der_too(elsewhere: ForeignAuthority, tmp_path: Path) -> None:
    path = tmp_path / "root.crt"
    path.write_bytes(elsewhere.root.der)
    run("add", path)
    assert TrustedAuthority.objects.get().subject == "CN=Elsewhere Root,C=DE"


def test_it_takes_no_authority_that_is_none(elsewhere: ForeignAuthority, now: datetime, tmp_path: Path) -> None:
    chain = Chain(now)
    refused = {
        "not the certificate of an authority": [
            elsewhere.leaf("bob@example.net"),
            elsewhere.self_signed("charlie@example.org"),
            chain.certify("No certificates", None, extensions=[(usage(certify=False), True)]),
        ],
        "leaves e-mail out": [chain.certify("Servers", None, extensions=[(SERVERS, False)])],
        "critical extension": [chain.certify("Odd", None, extensions=[(UNKNOWN, True)])],
        "not valid at this time": [Authority("Old", at=datetime.fromisoformat("2010-01-01T00:00:00+00:00")).root],
    }
    for words, holders in refused.items():
        for holder in holders:
            with pytest.raises(CommandError, match=words):
                run("add", file_of(tmp_path, elsewhere.root, holder))
    assert not TrustedAuthority.objects.exists(), "all of a file or none"


@pytest.mark.parametrize("key", [key_of("rsa1024"), ec.generate_private_key(ec.SECP521R1())])
def test_it_takes_no_weak_or_odd_key(key: ec.EllipticCurvePrivateKey, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec, "generate_private_key", lambda _curve: key)
    with pytest.raises(CommandError, match="key"):
        run("add", file_of(tmp_path, ForeignAuthority(now).root))


def test_it_says_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run("add", tmp_path / "nothing.pem")
    (tmp_path / "odd.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(CommandError):
        run("add", tmp_path / "odd.pem")


def test_it_removes_an_authority(elsewhere: ForeignAuthority, tmp_path: Path) -> None:
    run("add", file_of(tmp_path, elsewhere.root))
    fingerprint = parse_certificate(elsewhere.root.der).fingerprint
    run("remove", ":".join(fingerprint[place : place + 2].upper() for place in range(0, 64, 2)))
    assert run("list") == ""
    with pytest.raises(CommandError, match="no such authority"):
        run("remove", fingerprint)
    run("add", file_of(tmp_path, elsewhere.root))
    assert fingerprint in run("list")


def test_it_names_addresses_of_lists(now: datetime) -> None:
    url = "http://crl.example.org/ca.crl"
    run("add-crl", url)
    run("add-crl", url)
    assert run("list") == f"CRL {url}: not fetched yet\n"
    RevocationSource.objects.update(fault="it is a delta, not a whole list", fetched_at=now)
    assert "it is a delta" in run("list")
    run("remove-crl", url)
    assert run("list") == ""
    with pytest.raises(CommandError, match="No CRL"):
        run("remove-crl", url)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ldap://ldap.example.org/cn=ca", "ftp://example.org/a.crl", "crl.example.org/a.crl", "http:///a.crl",
     "http://user:word@example.org/a.crl", "http://example.org/a.crl#b", "http://example.org:99999/", "http://exämple.org/", "http://example.org/a b",
     "http://example.org/\r\nHost:%20x", "http://example.org/" + "a" * 500],
)  # fmt: skip
def test_it_names_no_other_kind_of_address(url: str) -> None:
    with pytest.raises(CommandError):
        run("add-crl", url)
    assert not RevocationSource.objects.exists()


def test_the_certificate_is_not_confused_with_one_of_its_name(elsewhere: ForeignAuthority, now: datetime, tmp_path: Path) -> None:
    """Charlie's root of the same name is another authority: the fingerprint is what counts."""
    charlie = ForeignAuthority(now)
    assert charlie.root.certificate.subject == elsewhere.root.certificate.subject
    run("add", file_of(tmp_path, elsewhere.root))
    assert TrustedAuthority.objects.filter(pk=parse_certificate(charlie.root.der).fingerprint).first() is None
    assert isinstance(charlie.root.certificate, x509.Certificate)
