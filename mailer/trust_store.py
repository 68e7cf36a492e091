"""The trust store as data: this CA's own certificates and CRLs, the authorities that the operator chose, CRLs from addresses that the operator named.

Nothing is fetched here, and no address in a certificate is ever followed. What is not known to be good is not good: a certificate about which no
fresh CRL is at hand has no level.
"""

import hashlib
import logging
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from django.db import connection

from directory.errors import RevokedCertificateError, RevokedIssuerError
from directory.models import AuthorityKind, Level, RevocationSource, TrustedAuthority
from mailer.models import Authority, CertificateRevocationList
from mailer.smime import isolated
from mailer.smime.errors import SmimeError
from mailer.smime.outcomes import Outcome
from mailer.smime.trust import Revocation, Trust

# S/MIME BR 7.1.6.1: 2.23.140.1.5.<type>.<legacy, multipurpose or strict>; this house's names for the types.
_ARC = "2.23.140.1.5"
_LEVELS = {1: Level.V1, 2: Level.V4, 3: Level.V3, 4: Level.V2}
RESERVED_POLICIES = {f"{_ARC}.{kind}.{generation}": level for kind, level in _LEVELS.items() for generation in (1, 2, 3)}
_LEAST_FIRST = (Level.V1, Level.V2, Level.V3, Level.V4)
# The certificate itself is good for all that is known, and an authority above it is revoked.
ISSUER_REVOKED = "issuer_revoked"
NOT_JUDGED = "not_judged"
MOST_CHAIN = 5
# CRLs up to this size always go along; longer ones only where the certificate is, by its names, one that they may be about.
_SHORT = 64 * 1024
_MOST_OCTETS = 48 * 1024 * 1024

_log = logging.getLogger(__name__)

# All that the store is made of, in one value: it is read anew when this differs, in whatever process the change was made. The lists are not read
# for it: a row that was written has another place, or was written by another transaction.
_VERSION = """
SELECT (SELECT coalesce(md5(string_agg(slug || created_at::text, ',' ORDER BY slug)), '') FROM mailer_authority),
    (SELECT coalesce(max(id), 0) FROM mailer_certificaterevocationlist),
    (SELECT coalesce(md5(string_agg(fingerprint || kind || coalesce(distrust_after::text, ''), ',' ORDER BY fingerprint)), '')
        FROM directory_trustedauthority WHERE removed_at IS NULL),
    (SELECT coalesce(md5(string_agg(id || ctid::text || xmin::text, ',' ORDER BY id)), '') FROM directory_revocationsource)
"""


class Judgement(NamedTuple):
    """`trust` is an Outcome, ISSUER_REVOKED or NOT_JUDGED. Where it is `revoked`, `reason` is the issuer's, and that is for ever."""

    level: Level
    trust: str
    reason: str = ""


@dataclass(frozen=True)
class _Known:
    """A certificate of an authority with what is asked of it each time."""

    der: bytes
    subject: str
    issuer: str
    not_after: datetime
    distrust_after: datetime | None = None


@dataclass(frozen=True)
class _Store:
    version: tuple[object, ...]
    roots: tuple[_Known, ...]
    intermediates: tuple[_Known, ...]
    crls: tuple[tuple[str, bytes], ...]  # with the names of their issuers, shortest first


_store: _Store | None = None


def current_trust(*, at: datetime) -> Trust:
    """All that this installation trusts for e-mail at this moment; revocation must be known. Authorities that have expired are not in it.

    It has every CRL there is. Who judges one certificate asks `judge_foreign`, which takes along what can matter to that one.
    """
    store = _current()
    return _trust(store, store.roots, [crl for _, crl in store.crls], at=at)


def judge_foreign(der: bytes, chain: Sequence[bytes], *, at: datetime) -> Judgement:
    """What a certificate that was issued elsewhere is worth. `chain` are the authorities that came with it (DER), of which five are looked at.

    A level needs a path to a root that the operator chose, known to be unrevoked from end to end, and a reserved policy of the CA/Browser Forum that
    holds along that path; where several do, the least counts. Parsing is done in a process of its own; what it does not survive is NOT_JUDGED.
    """
    chain = [certificate for certificate in chain[:MOST_CHAIN] if certificate != der]
    store = _current()
    names = _reached(store, der, chain)
    roots = [root for root in store.roots if folded_name(root.subject) in names]
    crls = [crl for issuer, crl in store.crls if len(crl) <= _SHORT or folded_name(issuer) in names]
    trust = _trust(store, roots, crls, at=at)
    if not trust.roots:
        # Most of what strangers have: there is no need of a process to find that out.
        return Judgement(Level.EXTERNAL, Outcome.UNTRUSTED)
    try:
        found = isolated.judge_certificate(der, chain, trust=trust, policies=tuple(RESERVED_POLICIES), at=at)
    except SmimeError as error:
        _log.warning("a certificate could not be judged: %s", error.code)
        return Judgement(Level.EXTERNAL, NOT_JUDGED)
    if found.outcome is Outcome.REVOKED and not found.reason:
        return Judgement(Level.EXTERNAL, ISSUER_REVOKED)
    levels = {RESERVED_POLICIES[policy] for policy in found.policies if policy in RESERVED_POLICIES}
    verified = found.outcome is Outcome.VERIFIED
    level = next((level for level in _LEAST_FIRST if verified and level in levels), Level.EXTERNAL)
    return Judgement(level, found.outcome.value, found.reason)


def check_unrevoked(trust: str) -> None:
    """Raise RevokedCertificateError or RevokedIssuerError for what is not to be in any answer, whoever proves it (edge rule 7)."""
    if trust == Outcome.REVOKED:
        raise RevokedCertificateError("Its issuer has revoked this certificate.")
    if trust == ISSUER_REVOKED:
        raise RevokedIssuerError("An authority above this certificate was revoked.")


def authorities() -> list[bytes]:
    """Every authority that counts, in DER: who may have signed a CRL."""
    store = _current()
    return [known.der for known in (*store.roots, *store.intermediates)]


def known_authorities() -> tuple[list[bytes], list[bytes]]:
    """Roots and intermediates that count, in DER."""
    store = _current()
    return [known.der for known in store.roots], [known.der for known in store.intermediates]


def revocation_lists() -> tuple[tuple[str, bytes], ...]:
    """The CRLs at hand (DER), each with its issuer's name as RFC 4514 text; the same object as long as the store is the same."""
    return _current().crls


def names_under(issuer: str) -> set[str]:
    """The authority of this name and those of the store that stand below it, by their names."""
    below = {issuer}
    known = _current().intermediates
    for _ in known:
        more = {authority.subject for authority in known if authority.issuer in below} - below
        if not more:
            break
        below |= more
    return below


def _trust(store: _Store, roots: Iterable[_Known], crls: Sequence[bytes], *, at: datetime) -> Trust:
    # A root is a name and a key to path validation, which asks for no date of it.
    roots = [root for root in roots if root.not_after > at]
    return Trust(
        roots=tuple(root.der for root in roots),
        intermediates=tuple(known.der for known in store.intermediates if known.not_after > at),
        crls=tuple(crls),
        revocation=Revocation.REQUIRE,
        distrust_after=tuple((hashlib.sha256(root.der).digest(), root.distrust_after) for root in roots if root.distrust_after is not None),
    )


def _reached(store: _Store, der: bytes, chain: Sequence[bytes]) -> set[str]:
    """The names of all that may stand above a certificate, by way of what came with it and of the store: no path has others."""
    pairs = [(folded_name(known.subject), folded_name(known.issuer)) for known in store.intermediates]
    pairs += [(subject, issuer) for subject, issuer in map(folded_names, chain)]
    reached, found = set[str](), {folded_names(der)[1]}
    while found - reached:
        reached |= found
        found = {issuer for subject, issuer in pairs if subject in reached}
    return reached - {""}


def folded_names(der: bytes) -> tuple[str, str]:
    """Subject and issuer; empty for what is no certificate, which leads nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            certificate = x509.load_der_x509_certificate(der)
            return folded_name(_name(certificate.subject)), folded_name(_name(certificate.issuer))
        except (ValueError, x509.InvalidVersion):
            return "", ""


@lru_cache(1024)
def folded_name(name: str) -> str:
    """What names have in common that RFC 5280 section 7.1 calls the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()


def _current() -> _Store:
    global _store  # noqa: PLW0603 - one for the process, replaced as a whole
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        version = cursor.fetchone()
    found = _store
    if found is None or found.version != version:
        _store = found = _load(version)
    return found


def _load(version: tuple[object, ...]) -> _Store:
    own = list(Authority.objects.values_list("certificate", "parent_id"))
    chosen = list(TrustedAuthority.objects.filter(removed_at=None).order_by("fingerprint"))
    added = [(row.kind == AuthorityKind.ROOT, bytes(row.der), row.distrust_after) for row in chosen]
    every = [(parent is None, bytes(der), None) for der, parent in own] + added
    known = [(is_root, found) for is_root, der, after in every if (found := _known(der, after)) is not None]
    lists = CertificateRevocationList.objects.order_by("authority_id", "shard", "-number").distinct("authority_id", "shard")
    fetched = RevocationSource.objects.filter(crl__isnull=False).values_list("crl", flat=True)
    crls = [bytes(der) for der in [*lists.values_list("der", flat=True), *fetched] if der is not None]
    return _Store(
        version,
        roots=tuple(authority for is_root, authority in known if is_root),
        intermediates=tuple(authority for is_root, authority in known if not is_root),
        crls=tuple(_within_limits(crls)),
    )


def _known(der: bytes, distrust_after: datetime | None) -> _Known | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old roots have numbers and names that are not quite by the rules
        try:
            certificate = x509.load_der_x509_certificate(der)
            return _Known(der, _name(certificate.subject), _name(certificate.issuer), certificate.not_valid_after_utc, distrust_after)
        except (ValueError, x509.InvalidVersion):
            _log.exception("an authority in the trust store cannot be read and does not count")
            return None


def _within_limits(crls: list[bytes]) -> Iterable[tuple[str, bytes]]:
    total = 0
    for der in sorted(crls, key=len):
        total += len(der)
        if total > _MOST_OCTETS:
            _log.error("the CRLs have more than %s octets together: the longest are left out, and what they are about is not known", _MOST_OCTETS)
            return
        try:
            yield _name(x509.load_der_x509_crl(der).issuer), der
        except ValueError:
            _log.exception("a CRL that is kept cannot be read")
