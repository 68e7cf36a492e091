"""What a verifier goes by: roots, certificates that may help, and revocation answers, all handed in as data. Nothing is ever fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Revocation(StrEnum):
    REQUIRE = "require"  # a certificate about which no fresh answer is at hand is not good
    IF_GIVEN = "if_given"  # an answer that is at hand counts; none is no reason


@dataclass(frozen=True)
class Trust:
    """All are DER: `roots` and `intermediates` certificates, `crls` CertificateLists, `ocsp` OCSPResponses.

    `policies` are dotted certificate policies of which one must hold along the path (RFC 5280 section 6.1.1); none means any.
    """

    roots: Sequence[bytes]
    intermediates: Sequence[bytes] = ()
    crls: Sequence[bytes] = ()
    ocsp: Sequence[bytes] = ()
    revocation: Revocation = Revocation.REQUIRE
    policies: Sequence[str] = ()
    explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False
    # The SHA-256 of a root, and the moment after which it has issued nothing that counts.
    distrust_after: Sequence[tuple[bytes, datetime]] = ()
