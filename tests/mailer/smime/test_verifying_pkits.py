"""NIST's path validation suite (PKITS 1.0.1) as S/MIME: all 224 signed mails, as cryptography ships them."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cryptography_vectors
import pytest

from mailer.smime.outcomes import Outcome
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify

FOLDER = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = datetime(2026, 11, 24, tzinfo=UTC)

# PKITS section 4.8 to 4.12: the names do not say what has to come out; with any policy acceptable and none required, these validate.
VALID = {
    "AllCertificatesSamePolicyTest1", "AllCertificatesNoPoliciesTest2", "DifferentPoliciesTest3", "OverlappingPoliciesTest6",
    "AllCertificatesSamePoliciesTest10", "AllCertificatesAnyPolicyTest11", "AllCertificatesSamePoliciesTest13", "AnyPolicyTest14",
    "UserNoticeQualifierTest15", "UserNoticeQualifierTest16", "UserNoticeQualifierTest17", "UserNoticeQualifierTest18",
    "UserNoticeQualifierTest19", "CPSPointerQualifierTest20", "inhibitAnyPolicyTest3",
}  # fmt: skip
INVALID = {
    "DifferentPoliciesTest4", "DifferentPoliciesTest5", "DifferentPoliciesTest7", "DifferentPoliciesTest8", "DifferentPoliciesTest9",
    "DifferentPoliciesTest12", "MissingCRLTest1",
}  # fmt: skip

# Where the house differs from NIST, and why.
DIFFERENT = {
    "ValidDSASignaturesTest4": (Outcome.LEGACY_ALGORITHM, "DSA is recognised and never counts"),
    "ValidDSAParameterInheritanceTest5": (Outcome.LEGACY_ALGORITHM, "DSA, and its parameters in another certificate"),
    "ValidNameChainingUIDsTest6": (Outcome.UNTRUSTED, "asn1crypto encodes unique identifiers anew, which RFC 5280 forbids authorities to use"),
}
NAMES = sorted(path.stem.removeprefix("Signed") for path in (FOLDER / "smime").glob("*.eml"))


@cache
def everything() -> Trust:
    """The anchor, and all certificates of authorities and all CRLs of the suite, the bad ones too."""
    anchor = (FOLDER / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()
    authorities = [path.read_bytes() for path in sorted((FOLDER / "certs").glob("*Cert.crt"))]
    crls = [path.read_bytes() for path in sorted((FOLDER / "crls").glob("*.crl"))]
    return Trust([anchor], authorities, crls, revocation=Revocation.REQUIRE)


def outcome(name: str, trust: Trust) -> Outcome:
    return verify((FOLDER / "smime" / f"Signed{name}.eml").read_bytes(), at=AT, trust=trust).outcome


def test_the_suite_is_whole() -> None:
    assert len(NAMES) == 224
    assert {name for name in NAMES if not name.startswith(("Valid", "Invalid"))} == VALID | INVALID


@pytest.mark.parametrize("name", NAMES)
def test_it_judges_as_nist_does(name: str) -> None:
    found = outcome(name, everything())
    if name in DIFFERENT:
        assert found is DIFFERENT[name][0]
    else:
        assert (found is Outcome.VERIFIED) is (name in VALID or name.startswith("Valid")), found


def of_policies(*policies: str, **settings: bool) -> Trust:
    known = everything()
    return Trust(known.roots, known.intermediates, known.crls, revocation=known.revocation, policies=policies, **settings)  # type: ignore[arg-type]


TEST_POLICY = "2.16.840.1.101.3.2.1.48."


@pytest.mark.parametrize(
    ("name", "trust", "valid"),
    [
        ("AllCertificatesSamePolicyTest1", of_policies(explicit_policy=True), True),
        ("AllCertificatesSamePolicyTest1", of_policies(TEST_POLICY + "1"), True),
        ("AllCertificatesSamePolicyTest1", of_policies(TEST_POLICY + "2"), False),
        ("AllCertificatesSamePolicyTest1", of_policies(TEST_POLICY + "1", TEST_POLICY + "2"), True),
        ("AllCertificatesNoPoliciesTest2", of_policies(explicit_policy=True), False),
        ("DifferentPoliciesTest3", of_policies(explicit_policy=True), False),
        ("DifferentPoliciesTest3", of_policies(TEST_POLICY + "1", TEST_POLICY + "2"), False),
        ("OverlappingPoliciesTest6", of_policies(TEST_POLICY + "1"), True),
        ("OverlappingPoliciesTest6", of_policies(TEST_POLICY + "2"), False),
        ("AllCertificatesSamePoliciesTest10", of_policies(TEST_POLICY + "1"), True),
        ("AllCertificatesSamePoliciesTest10", of_policies(TEST_POLICY + "2"), True),
        ("AllCertificatesAnyPolicyTest11", of_policies(TEST_POLICY + "1"), True),
        ("AllCertificatesSamePoliciesTest13", of_policies(TEST_POLICY + "3"), True),
        ("AnyPolicyTest14", of_policies(TEST_POLICY + "1"), True),
        ("AnyPolicyTest14", of_policies(TEST_POLICY + "2"), False),
        ("inhibitAnyPolicyTest3", of_policies(inhibit_any_policy=True, explicit_policy=True), False),
        ("ValidPolicyMappingTest1", of_policies(TEST_POLICY + "1"), True),
        ("ValidPolicyMappingTest1", of_policies(TEST_POLICY + "2"), False),
        ("ValidPolicyMappingTest1", of_policies(TEST_POLICY + "1", inhibit_policy_mapping=True), False),
        ("ValidPolicyMappingTest5", of_policies(TEST_POLICY + "6"), False),
    ],
)
def test_it_asks_for_policies(name: str, trust: Trust, valid: bool) -> None:  # noqa: FBT001
    assert (outcome(name, trust) is Outcome.VERIFIED) is valid


def test_it_finds_each_mail_signed_well() -> None:
    """What fails in the suite fails for its certificates: the signatures hold, but for the one by a forged certificate."""
    nobody = Trust([], revocation=Revocation.IF_GIVEN)
    found = {name: verify((FOLDER / "smime" / f"Signed{name}.eml").read_bytes(), at=AT, trust=nobody) for name in NAMES}
    assert not [name for name, verification in found.items() if not verification.intact and name not in DIFFERENT]
