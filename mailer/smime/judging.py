"""What a trust store says of one certificate that came without a message: its path, its revocation, and which policies hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from asn1crypto import crl, x509

from .chain import judge
from .errors import MalformedCms
from .outcomes import Outcome
from .signer_certificate import PARSE_FAULTS, load
from .trust import Trust

UNSPECIFIED = "unspecified"


class CertificateJudgement(NamedTuple):
    """`policies` are those asked for that hold along a good path. `reason`, where the certificate itself and not an authority above it is
    revoked, is one of RFC 5280 section 5.3.1 in lower case with underscores; otherwise it is empty."""

    outcome: Outcome
    policies: tuple[str, ...] = ()
    reason: str = ""


def judge_certificate(
    certificate: bytes, chain: Sequence[bytes], *, trust: Trust, policies: Sequence[str] = (), at: datetime
) -> CertificateJudgement:
    """Judge a DER certificate by a trust store. `chain` holds the authorities that came with it, in any order and of any worth.

    A policy holds where the certificate names it and every authority on the path lets it (RFC 5280 section 6.1.5).
    """
    try:
        leaf = load(certificate)
        named = {policy["policy_identifier"].dotted for policy in leaf.certificate_policies_value or ()}
    except (MalformedCms, *PARSE_FAULTS):
        return CertificateJudgement(Outcome.MALFORMED)
    outcome = judge(trust, leaf, chain, at=at)
    if outcome is Outcome.REVOKED:
        return CertificateJudgement(outcome, reason=_reason(leaf, trust.crls))
    if outcome is not Outcome.VERIFIED:
        return CertificateJudgement(outcome)
    held = [policy for policy in policies if policy in named and judge(replace(trust, policies=(policy,)), leaf, chain, at=at) is outcome]
    return CertificateJudgement(outcome, tuple(held))


def _reason(leaf: x509.Certificate, crls: Sequence[bytes]) -> str:
    """Why the leaf's issuer says that it revoked it; empty where it does not say that it did."""
    for encoding in crls:
        try:
            found = crl.CertificateList.load(encoding, strict=True)
            if found.issuer == leaf.issuer:
                entries = found["tbs_cert_list"]["revoked_certificates"]
                entry = next((entry for entry in entries if entry["user_certificate"].native == leaf.serial_number), None)
                if entry is not None:
                    return str(entry.crl_reason_value.native) if entry.crl_reason_value is not None else UNSPECIFIED
        except PARSE_FAULTS:
            continue
    return ""
