"""What others say about an issued certificate: OpenSSL and pkilint's own commands."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.ca.shards import Reason
from mailer.issuing import intend, issue_pending
from mailer.models import Authority, CertificateRevocationList, Issuance
from mailer.revoking import renew_crls, revoke

BILLS = EmailAddress.parse("bills@bank.example.com")


class Files:
    """root.pem, chain.pem (root and S/MIME CA), crl.pem (both newest lists) and signer.pem in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authorities = {row.slug: x509.load_der_x509_certificate(bytes(row.certificate)) for row in Authority.objects.all()}
        self.write("root.pem", [authorities["root-1"]])
        self.write("chain.pem", list(authorities.values()))
        self.certificate = x509.load_der_x509_certificate(bytes(Issuance.objects.exclude(certificate=None).get().certificate or b""))
        self.write("signer.pem", [self.certificate])
        lists = CertificateRevocationList.objects.order_by("authority", "-number").distinct("authority")
        self.write("crl.pem", [x509.load_der_x509_crl(bytes(row.der)) for row in lists])

    def write(self, name: str, objects: list[x509.Certificate] | list[x509.CertificateRevocationList]) -> None:
        (self.folder / name).write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in objects))

    def openssl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def issued(signing_service: Path, bank: Organization, now: datetime) -> Issuance:  # noqa: ARG001 - the signer
    issuance = intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    issuance.refresh_from_db()
    return issuance


@pytest.mark.usefixtures("issued")
def test_it_is_accepted_by_openssl(tmp_path: Path) -> None:
    files = Files(tmp_path)
    checked = files.openssl(
        "verify", "-x509_strict", "-crl_check", "-purpose", "smimesign", "-CAfile", "chain.pem", "-CRLfile", "crl.pem", "signer.pem"
    )
    assert checked.returncode == 0, checked.stderr
    whole = files.openssl("verify", "-x509_strict", "-crl_check_all", "-CAfile", "chain.pem", "-CRLfile", "crl.pem", "signer.pem")
    assert whole.returncode == 0, whole.stderr


def test_it_is_refused_by_openssl_once_revoked(issued: Issuance, tmp_path: Path, now: datetime) -> None:
    revoke(issuance_id=issued.id, reason=Reason.KEY_COMPROMISE, actor="user:alice", at=now)
    assert renew_crls(at=now) == 1
    checked = Files(tmp_path).openssl("verify", "-x509_strict", "-crl_check", "-CAfile", "chain.pem", "-CRLfile", "crl.pem", "signer.pem")
    assert checked.returncode != 0
    assert "certificate revoked" in checked.stderr


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize("tool", ["lint_cabf_smime_cert", "lint_pkix_cert"])
def test_it_has_no_finding_in_pkilint(tool: str, tmp_path: Path) -> None:
    files = Files(tmp_path)
    detect = ["-d"] if tool == "lint_cabf_smime_cert" else []
    command = [sys.executable, "-m", f"pkilint.bin.{tool}", "lint", *detect, "-s", "NOTICE", "-f", "JSON", str(files.folder / "signer.pem")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)["results"] == []


@pytest.mark.usefixtures("issued")
def test_it_says_what_was_validated_and_where_to_ask(tmp_path: Path) -> None:
    certificate = Files(tmp_path).certificate
    named = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert named == {
        NameOID.COUNTRY_NAME: "DE",
        NameOID.ORGANIZATION_NAME: "Muster Bank AG",
        NameOID.ORGANIZATION_IDENTIFIER: "NTRDE-DER3306.HRB12345",
        NameOID.COMMON_NAME: "Muster Bank AG",
    }
    extensions = certificate.extensions
    assert extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.RFC822Name) == ["bills@bank.example.com"]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    policies = [item.policy_identifier.dotted_string for item in extensions.get_extension_for_class(x509.CertificatePolicies).value]
    assert policies == ["2.23.140.1.5.2.3", "1.3.6.1.4.1.32473.1.4"]
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name or []] == ["http://pki.example.org/pki/smime-1/0.crl"]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [item.access_location.value for item in access] == ["http://pki.example.org/pki/smime-1.crt"]
