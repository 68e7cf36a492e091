"""The key ceremony: two CAs, once, with keys that only the signer's key-encryption key opens."""

import subprocess
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.core.management import CommandError, call_command
from pytest_django import Settings

from mailer.ca import ceremony
from mailer.ca.authorities import open_authority
from mailer.ca.ceremony import KeyKind, Names, hold
from mailer.ca.errors import NoAuthorityError, TamperedError
from mailer.ca.lint import Finding, authority_findings
from mailer.custody import DamagedSecretError, WrongKeyError
from mailer.models import Authority, CertificateRevocationList, LedgerEvent

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    said = StringIO()
    call_command("ca", "ceremony", *arguments, stdout=said)
    return said.getvalue()


def certificate_of(slug: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(bytes(Authority.objects.get(pk=slug).certificate))


def common_name(slug: str) -> object:
    return certificate_of(slug).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_it_makes_both_once() -> None:
    assert "Made" in run("--demo")
    before = list(Authority.objects.order_by("slug").values_list("slug", "certificate", "encrypted_key"))
    assert [slug for slug, _certificate, _key in before] == ["root-1", "smime-1"]
    assert "nothing was changed" in run("--demo")
    assert list(Authority.objects.order_by("slug").values_list("slug", "certificate", "encrypted_key")) == before
    assert list(LedgerEvent.objects.filter(event="ceremony").order_by("authority").values_list("authority", flat=True)) == ["root-1", "smime-1"]
    assert CertificateRevocationList.objects.count() == 2


def test_it_says_that_a_demo_is_not_to_be_trusted() -> None:
    run("--demo")
    assert common_name("root-1") == "DEMO - DO NOT TRUST Letterlock Root 1"
    assert common_name("smime-1") == "DEMO - DO NOT TRUST Letterlock S/MIME CA 1"


def test_it_carries_the_operators_name() -> None:
    run("--organization", "Beispiel Stiftung", "--country", "AT")
    subject = certificate_of("smime-1").subject
    assert subject.rfc4514_string() == "CN=Letterlock S/MIME CA 1,O=Beispiel Stiftung,C=AT"


def test_it_limits_the_ca_to_mail_and_to_subscribers() -> None:
    run("--demo")
    extensions = certificate_of("smime-1").extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(ca=True, path_length=0)
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]


@pytest.mark.parametrize("kind", KeyKind)
def test_it_makes_a_chain_that_openssl_accepts(kind: KeyKind, now: datetime, settings: Settings, tmp_path: Path) -> None:
    hold(Names("DE", "Beispiel"), kind=kind, kek=settings.LETTERLOCK_CA_KEK, actor="system:ceremony", at=now)
    for slug in ("root-1", "smime-1"):
        (tmp_path / f"{slug}.pem").write_bytes(certificate_of(slug).public_bytes(Encoding.PEM))
    lists = [x509.load_der_x509_crl(bytes(row.der)) for row in CertificateRevocationList.objects.all()]
    (tmp_path / "crl.pem").write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in lists))
    command = ["openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "root-1.pem", "-CRLfile", "crl.pem", "smime-1.pem"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("arguments", [(), ("--organization", "Beispiel"), ("--country", "DE"), ("--organization", "x" * 200, "--country", "DE")])
def test_it_makes_nothing_without_a_name(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert not Authority.objects.exists()


def test_it_holds_no_real_ceremony_in_a_demo(settings: Settings) -> None:
    settings.LETTERLOCK_DEMO = True
    with pytest.raises(CommandError, match="LETTERLOCK_DEMO"):
        run("--organization", "Beispiel", "--country", "DE")


def test_it_needs_the_signers_key(settings: Settings) -> None:
    settings.LETTERLOCK_CA_KEK = None
    with pytest.raises(CommandError, match="LETTERLOCK_CA_KEK"):
        run("--demo")
    assert not Authority.objects.exists()


def test_it_makes_nothing_when_the_linter_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = authority_findings

    def strict(der: bytes) -> list[Finding]:
        path_length = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        return [*honest(der), *([Finding("WARNING", "made_up", "")] if path_length == 0 else [])]

    monkeypatch.setattr(ceremony, "authority_findings", strict)
    with pytest.raises(CommandError, match="made_up"):
        run("--demo")
    assert not Authority.objects.exists()


def test_it_seals_keys_for_their_own_row_and_key_alone(ca: None, settings: Settings) -> None:
    del ca
    kek = settings.LETTERLOCK_CA_KEK
    assert open_authority("smime-1", kek=kek).issuer.certificate == certificate_of("smime-1")
    with pytest.raises(WrongKeyError):
        open_authority("smime-1", kek=settings.LETTERLOCK_DATA_KEK)
    root = Authority.objects.get(pk="root-1")
    Authority.objects.filter(pk="smime-1").update(encrypted_key=root.encrypted_key)
    with pytest.raises(DamagedSecretError):
        open_authority("smime-1", kek=kek)
    Authority.objects.filter(pk="root-1").update(certificate=Authority.objects.get(pk="smime-1").certificate)
    with pytest.raises(TamperedError):
        open_authority("root-1", kek=kek)
    Authority.objects.filter(pk="root-1").update(encrypted_key=b"")
    with pytest.raises(NoAuthorityError):
        open_authority("root-1", kek=kek)


def test_it_lasts_as_long_as_the_profiles_say(ca: None) -> None:
    del ca
    for slug, years in (("root-1", 15), ("smime-1", 8)):
        found = certificate_of(slug)
        assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=365 * years, seconds=-1)


def test_it_shows_no_key_when_printed(ca: None, settings: Settings) -> None:
    del ca
    assert repr(open_authority("root-1", kek=settings.LETTERLOCK_CA_KEK)) == "<OpenAuthority root-1>"
