"""NIST's path validation suite (PKITS 1.0.1) by way of the trust store: end certificates, judged as a stranger's upload is.

Each is a process of its own, so that it is every fourth one; `smime/test_verifying_pkits.py` judges them all, by the same path validation.
"""

from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509

from directory.authorities import add_authority
from directory.models import AuthorityKind, AuthoritySource, Level
from directory.x509.certificate import parse_certificate
from mailer.smime.outcomes import Outcome
from mailer.trust_store import ISSUER_REVOKED, judge_foreign
from tests.mailer.foreign import OPERATOR, keep
from tests.mailer.smime.test_verifying_pkits import DIFFERENT, VALID

FOLDER = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2026, 11, 24, tzinfo=UTC)
SAME = {name.lower() for name in VALID}
# An authority whose DSA key has its parameters in another certificate: what the trust store cannot read does not get into it.
UNREADABLE = "DSAParametersInheritedCACert"
# What is told of a certificate that is not good: why, where that is a matter of revocation.
REASONS = {
    "InvalidRevokedCATest2": ISSUER_REVOKED,
    "InvalidRevokedEETest3": Outcome.REVOKED,
    "InvalidMissingCRLTest1": Outcome.UNKNOWN_REVOCATION,
    "InvalidBadCRLSignatureTest4": Outcome.UNKNOWN_REVOCATION,
    "InvalidBadCRLIssuerNameTest5": Outcome.UNKNOWN_REVOCATION,
    "InvalidOldCRLnextUpdateTest11": Outcome.UNKNOWN_REVOCATION,
    "InvalidNameChainingTest1": Outcome.UNTRUSTED,
    "InvalidRFC822nameConstraintsTest22": Outcome.UNTRUSTED,
}


@pytest.fixture
def pkits(db: None) -> None:  # noqa: ARG001 - the tables
    """NIST's anchor, its authorities, good and bad, and all its lists."""
    anchor = FOLDER / "certs" / "TrustAnchorRootCertificate.crt"
    for path in [*sorted((FOLDER / "certs").glob("*Cert.crt")), anchor]:
        if path.stem == UNREADABLE:
            continue
        certificate = x509.load_der_x509_certificate(path.read_bytes())
        add_authority(
            fingerprint=parse_certificate(path.read_bytes()).fingerprint,
            der=path.read_bytes(),
            subject=certificate.subject.rfc4514_string(),
            kind=AuthorityKind.ROOT if path == anchor else AuthorityKind.INTERMEDIATE,
            source=AuthoritySource.ADDED,
            actor=OPERATOR,
            at=AT,
        )
    keep(*[path.read_bytes() for path in sorted((FOLDER / "crls").glob("*.crl"))], at=AT)


@pytest.mark.usefixtures("pkits")
def test_it_judges_as_nist_does() -> None:
    ends = {path.stem.removesuffix("EE"): path for path in sorted((FOLDER / "certs").glob("*EE.crt"))}
    names = {*sorted(ends)[::4], *REASONS}
    found = {name: judge_foreign(ends[name].read_bytes(), [], at=AT) for name in names}
    assert len(found) > 40
    good = {name for name, judgement in found.items() if judgement.trust == Outcome.VERIFIED}
    expected = {name for name in found if (name.startswith("Valid") or name.lower() in SAME) and name not in {*DIFFERENT, "ValidNameUIDsTest6"}}
    assert good ^ expected == set()
    assert {name: found[name].trust for name in REASONS} == REASONS
    assert {judgement.level for judgement in found.values()} == {Level.EXTERNAL}, "none has a policy of the CA/Browser Forum"
