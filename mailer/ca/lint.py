"""pkilint in process: S/MIME baseline requirements, PKIX and CRL rules.

Imported by the signer and the key ceremony alone, because loading the linter takes about a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock

from pkilint import loader, pkix, validation
from pkilint.cabf import cabf_crl, smime
from pkilint.cabf.smime.smime_constants import Generation, ValidationLevel
from pkilint.pkix import certificate, crl, extension, name

from mailer.ca.errors import LintError
from mailer.ca.profiles import Profile

# The one finding that a CA which does not claim to be audited must have (the reserved policies are left out on purpose).
_NO_RESERVED_POLICY = "cabf.smime.no_required_reserved_policy_oid"

_one_at_a_time = Lock()


@dataclass(frozen=True)
class Finding:
    severity: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.detail}".strip()


def subscriber_findings(der: bytes, profile: Profile, *, asserts_reserved: bool, floor: str = "WARNING") -> list[Finding]:
    """Findings at `floor` or above on a subscriber's certificate, by the rules of its profile."""
    level = ValidationLevel[profile.level.upper()]
    linter = _subscriber_linter(level, Generation[profile.generation.upper()])
    found = _run(linter, loader.load_certificate(der, "certificate").root, floor)
    return [finding for finding in found if asserts_reserved or finding.code != _NO_RESERVED_POLICY]


def authority_findings(der: bytes, *, floor: str = "WARNING") -> list[Finding]:
    """Findings on a CA's certificate, by RFC 5280: the linter has no S/MIME rules for these."""
    return _run(_authority_linter(), loader.load_certificate(der, "certificate").root, floor)


def revocation_list_findings(der: bytes, *, of_root: bool, floor: str = "WARNING") -> list[Finding]:
    return _run(_revocation_list_linter("ARL" if of_root else "CRL"), loader.load_crl(der, "crl").root, floor)


def demand_none(findings: Sequence[Finding]) -> None:
    """Raise LintError that names every finding, if there is one."""
    if findings:
        raise LintError("; ".join(map(str, findings)))


def warm_up() -> None:
    """Build the linters that issuing uses, so that the first request does not wait for them."""
    _subscriber_linter(ValidationLevel.ORGANIZATION, Generation.STRICT)
    _revocation_list_linter("CRL")


def _run(linter: validation.ValidatorContainer, root: object, floor: str) -> list[Finding]:
    # The enumeration runs downwards from FATAL = 0: "at least" is "<=".
    least = validation.ValidationFindingSeverity[floor]
    with _one_at_a_time:
        results = linter.validate(root)
    return [
        Finding(described.finding.severity.name, described.finding.code, described.message or "")
        for result in results
        for described in result.finding_descriptions
        if described.finding.severity <= least
    ]


@cache
def _subscriber_linter(level: ValidationLevel, generation: Generation) -> validation.ValidatorContainer:
    return certificate.create_pkix_certificate_validator_container(
        smime.create_decoding_validators(), smime.create_subscriber_validators(level, generation)
    )


@cache
def _authority_linter() -> validation.ValidatorContainer:
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _revocation_list_linter(kind: str) -> validation.ValidatorContainer:
    which = crl.CertificateRevocationListType[kind]
    return crl.create_pkix_crl_validator_container(
        [pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS), pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS)],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([cabf_crl.create_validity_period_validator(which)]),
            crl.create_extensions_validator_container([]),
            cabf_crl.CabfCrlReasonCodeAllowlistValidator(which),
        ],
    )
