"""Does a signer's certificate lead to a trusted root, for e-mail, at a given time, unrevoked? (RFC 5280 section 6, RFC 8550 section 4)

pyhanko-certvalidator validates; it fetches nothing here, and its coroutines never wait, so that no event loop is needed.
"""

import hashlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from asn1crypto import crl, ocsp, x509
from pyhanko_certvalidator import PKIXValidationParams, ValidationContext
from pyhanko_certvalidator.authority import TrustAnchor
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    DisallowedAlgorithmError,
    InsufficientRevinfoError,
    OCSPValidationError,
    PathBuildingError,
    PathError,
    RevokedError,
    ValidationError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import CertificateRegistry, TrustManager
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response
from pyhanko_certvalidator.validate import async_validate_path

from .errors import MalformedCms
from .outcomes import Outcome
from .signer_certificate import PARSE_FAULTS, international_mailboxes, limits_addresses, load, may_be_for_mail
from .trust import Revocation, Trust

# A stranger's certificates can be cross-signed into a maze: so many steps and complete paths are tried, and none is longer.
_MAX_STEPS = 500
_MAX_PATHS = 16
_MAX_PATH = 10
_MAX_CRL_PATH = 3
_MOST_KEPT = 512
# A revoked root path is worse news than one that is only unknown.
_WORST_FIRST = (Outcome.REVOKED, Outcome.UNKNOWN_REVOCATION, Outcome.LEGACY_ALGORITHM, Outcome.UNTRUSTED)
_LEAF_ALONE = RevocationCheckingPolicy(RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.NO_CHECK)

T = TypeVar("T")


# It logs what it finds wrong with strangers' certificates, with their names.
_LOGGER = logging.getLogger("pyhanko_certvalidator")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False


class _Steps:
    """How often an issuer may still be looked for in one judgement."""

    left = _MAX_STEPS


class _BoundedRegistry(CertificateRegistry):
    """Answers so many questions for an issuer and no more."""

    steps: _Steps

    def find_potential_issuers(self, cert: x509.Certificate, trust_manager: TrustManager) -> Iterator[TrustAnchor | x509.Certificate]:
        self.steps.left -= 1
        if self.steps.left < 0:
            raise PathBuildingError("too many ways")
        yield from super().find_potential_issuers(cert, trust_manager)


class _Ground(NamedTuple):
    """All that a judgement goes by, parsed."""

    trust: Trust
    at: datetime
    roots: list[x509.Certificate]
    helpers: list[x509.Certificate]
    crls: list[crl.CertificateList]
    ocsp: list[ocsp.OCSPResponse]
    steps: _Steps

    def about(self, path: ValidationPath) -> "_Ground":
        """The same with only those CRLs, and those certificates that may have signed them, which can matter to this path.

        Otherwise the library looks for the issuer of every CRL, and for the issuers of the CRLs about that one, and so on.
        """
        certificates = list(path.iter_certs(include_root=False))
        names = {certificate.issuer.hashable for certificate in certificates} | {name for found in certificates for name in _crl_issuers(found)}
        crls = [found for found in self.crls if found.issuer.hashable in names]
        helpers = list(certificates)
        for _ in range(_MAX_CRL_PATH):
            helpers += [found for found in self.helpers if found.subject.hashable in names and found not in helpers]
            names = {found.issuer.hashable for found in helpers}
        return self._replace(crls=crls, helpers=helpers)

    def context(self, policy: RevocationCheckingPolicy) -> ValidationContext:
        registry = _BoundedRegistry.build(self.helpers, cert_fetcher=None)
        registry.steps = self.steps
        return ValidationContext(
            trust_roots=self.roots,
            certificate_registry=registry,
            moment=self.at,
            allow_fetching=False,
            crls=self.crls,
            ocsps=self.ocsp,
            revinfo_policy=CertRevTrustPolicy(policy),
            time_tolerance=timedelta(0),
        )


def judge(
    trust: Trust, leaf: x509.Certificate, others: Sequence[bytes], *, at: datetime, crls: Sequence[bytes] = (), answers: Sequence[bytes] = ()
) -> Outcome:
    """VERIFIED, or why the path does not count. `others`, `crls` and OCSP `answers` came with the message; signed as they are, they may be used.

    1. Paths from the leaf by way of the certificates at hand to a root.
    2. Each is validated without revocation, and its authorities must be for e-mail.
    3. Revocation: of every certificate where it is required, else by the answers at hand.
    """
    ground = _Ground(
        trust,
        at,
        _readable(_load_once, _roots_for(trust, leaf)),
        [*_readable(_load_once, trust.intermediates), *_readable(load, others)],
        [*_readable(_load_crl_once, trust.crls), *_readable(_load_crl, crls)],
        _readable(_load_answer, [*trust.ocsp, *answers]),
        _Steps(),
    )
    try:
        # Step 1.
        paths = _run(_paths(ground.context(NO_REVOCATION), leaf))
    except (PathError, *PARSE_FAULTS):
        return Outcome.UNTRUSTED
    found = set()
    for path in paths:
        outcome = _judge_path(ground, path)
        if outcome is Outcome.VERIFIED:
            return outcome
        found.add(outcome)
    return next((outcome for outcome in _WORST_FIRST if outcome in found), Outcome.UNTRUSTED)


def _roots_for(trust: Trust, leaf: x509.Certificate) -> Sequence[bytes]:
    """Those roots that may lead to a leaf of this age."""
    if not trust.distrust_after:
        return trust.roots
    ends = dict(trust.distrust_after)
    return [root for root in trust.roots if (end := ends.get(hashlib.sha256(root).digest())) is None or leaf.not_valid_before <= end]


def _crl_issuers(certificate: x509.Certificate) -> list[str]:
    """Who else than its issuer signs the CRLs about a certificate (RFC 5280 section 4.2.1.13)."""
    points = certificate.crl_distribution_points_value or ()
    names = [name for point in points for name in point["crl_issuer"] or ()]
    return [name.chosen.hashable for name in names if name.name == "directory_name"]


def _load_crl(encoding: bytes) -> crl.CertificateList:
    return crl.CertificateList.load(encoding, strict=True)


# What the verifier goes by is the same from message to message; strangers' certificates are not kept.
_load_once = lru_cache(_MOST_KEPT)(load)
_load_crl_once = lru_cache(_MOST_KEPT)(_load_crl)


def _load_answer(encoding: bytes) -> ocsp.OCSPResponse:
    return ocsp.OCSPResponse.load(encoding, strict=True)


def _readable(parse: Callable[[bytes], T], encodings: Sequence[bytes]) -> list[T]:
    """Those that can be read: what cannot proves nothing."""
    found = []
    for encoding in encodings:
        try:
            found.append(parse(encoding))
        except (MalformedCms, *PARSE_FAULTS):
            continue
    return found


async def _paths(context: ValidationContext, leaf: x509.Certificate) -> list[ValidationPath]:
    found: list[ValidationPath] = []
    steps = context.path_builder.async_build_paths_lazy(leaf)
    while len(found) < _MAX_PATHS:
        try:
            path = await anext(steps)
        except (StopAsyncIteration, PathBuildingError):
            break
        if len(path) <= _MAX_PATH:
            found.append(path)
    return found


def _judge_path(ground: _Ground, path: ValidationPath) -> Outcome:
    # Step 2.
    outcome = _validate(ground, path, NO_REVOCATION)
    if outcome is not Outcome.VERIFIED:
        return outcome
    certificates = list(path.iter_certs(include_root=False))
    # A root that signs mail itself is nobody's certificate.
    if not certificates or not all(may_be_for_mail(authority) for authority in certificates[:-1]):
        return Outcome.UNTRUSTED
    # RFC 9598 section 6: the limits are on these too, which the library does not know. Not to weigh them is to refuse them.
    if international_mailboxes(certificates[-1]) and any(limits_addresses(authority) for authority in path.iter_certs(include_root=True)):
        return Outcome.UNTRUSTED
    # Step 3.
    return _judge_revocation(ground.about(path), path, certificates)


def _judge_revocation(ground: _Ground, path: ValidationPath, certificates: Sequence[x509.Certificate]) -> Outcome:
    # Each certificate in turn as the end of its own path, so that one without an answer does not hide another that is revoked.
    ends = [path.truncate_to_issuer_and_append(certificate) for certificate in certificates]
    answered = [_answered(ground, certificate, end) for certificate, end in zip(certificates, ends, strict=True)]
    if Outcome.REVOKED in answered:
        return Outcome.REVOKED
    if ground.trust.revocation is Revocation.REQUIRE:
        outcome = _validate(ground, path, REQUIRE_REVINFO)
        if outcome is not Outcome.UNKNOWN_REVOCATION:
            return outcome
        left = [end for end, answer in zip(ends, answered, strict=True) if answer is not Outcome.VERIFIED]
        return next((found for found in (_validate(ground, end, _LEAF_ALONE) for end in left) if found is not Outcome.VERIFIED), Outcome.VERIFIED)
    if ground.crls and any(_validate(ground, end, _LEAF_ALONE) is Outcome.REVOKED for end in ends):
        return Outcome.REVOKED
    return Outcome.VERIFIED


def _answered(ground: _Ground, certificate: x509.Certificate, end: ValidationPath) -> Outcome:
    """What the OCSP answers say of the last certificate of a path. Validation itself looks at them only where it names a responder."""
    if not ground.ocsp:
        return Outcome.UNKNOWN_REVOCATION
    try:
        _run(verify_ocsp_response(certificate, end, ground.context(REQUIRE_REVINFO)))
    except RevokedError:
        return Outcome.REVOKED
    except (ValidationError, PathError, OCSPValidationError, *PARSE_FAULTS):
        return Outcome.UNKNOWN_REVOCATION
    return Outcome.VERIFIED


def _validate(ground: _Ground, path: ValidationPath, policy: RevocationCheckingPolicy) -> Outcome:
    trust = ground.trust
    parameters = PKIXValidationParams(
        user_initial_policy_set=frozenset(trust.policies or ["any_policy"]),
        initial_explicit_policy=trust.explicit_policy or bool(trust.policies),
        initial_policy_mapping_inhibit=trust.inhibit_policy_mapping,
        initial_any_policy_inhibit=trust.inhibit_any_policy,
    )
    try:
        _run(async_validate_path(ground.context(policy), path, parameters))
    except RevokedError:
        return Outcome.REVOKED
    except InsufficientRevinfoError:
        return Outcome.UNKNOWN_REVOCATION
    except DisallowedAlgorithmError:
        return Outcome.LEGACY_ALGORITHM
    except (ValidationError, PathError, CRLValidationError, OCSPValidationError, *PARSE_FAULTS):
        return Outcome.UNTRUSTED
    return Outcome.VERIFIED


def _run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("path validation wanted to wait, though nothing is fetched")
