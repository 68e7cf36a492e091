"""What the CRLs at hand list, as sets, for whoever has many certificates to ask about: no path is built, and no policy matters.

The lists were verified when they came in (`mailer.crl_sources`; this CA made its own). Each is read once, as long as the trust store stays as it is.
Delta and indirect CRLs are left to path validation: an entry of theirs may say that nothing is revoked, or be about another issuer's certificate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography import x509

from directory.errors import RevokedCertificateError, RevokedIssuerError
from mailer import trust_store
from mailer.trust_store import folded_name, folded_names


@dataclass
class Listings:
    """The serial numbers that are listed, by the folded name of their issuer, and the names of the authorities that are revoked."""

    _lists: tuple[tuple[str, bytes], ...] = ()
    _authorities: frozenset[bytes] = frozenset()
    _serials: dict[str, frozenset[int]] = field(default_factory=dict)
    _revoked_issuers: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Read the lists if they, or the authorities, are others than before; one query where they are not."""
        lists = trust_store.revocation_lists()
        roots, intermediates = trust_store.known_authorities()
        known = frozenset((*roots, *intermediates))
        if (lists, known) == (self._lists, self._authorities):
            return
        self._lists, self._authorities = lists, known
        self._serials = _serials_of(lists)
        self._revoked_issuers = _revoked_issuers(roots, intermediates, self._serials)

    def check(self, *, issuer: str, serial: int) -> None:
        """Raise RevokedCertificateError for what its issuer lists, RevokedIssuerError for what a revoked authority issued; `issuer` is folded."""
        if serial in self._serials.get(issuer, ()):
            raise RevokedCertificateError("Its issuer has revoked this certificate.")
        if issuer in self._revoked_issuers:
            raise RevokedIssuerError("An authority above this certificate was revoked.")


def _serials_of(lists: Iterable[tuple[str, bytes]]) -> dict[str, frozenset[int]]:
    listed = dict[str, set[int]]()
    for issuer, der in lists:
        crl = x509.load_der_x509_crl(der)
        if not _is_apart(crl):
            listed.setdefault(folded_name(issuer), set()).update(entry.serial_number for entry in crl)
    return {issuer: frozenset(serials) for issuer, serials in listed.items()}


def _is_apart(crl: x509.CertificateRevocationList) -> bool:
    """Whether it is a delta (RFC 5280 section 5.2.4) or an indirect CRL (5.2.5), or cannot be told from one."""
    try:
        return any(
            isinstance(extension.value, x509.DeltaCRLIndicator)
            or (isinstance(extension.value, x509.IssuingDistributionPoint) and extension.value.indirect_crl)
            for extension in crl.extensions
        )
    except ValueError:
        return True


def _revoked_issuers(roots: Iterable[bytes], intermediates: Iterable[bytes], serials: Mapping[str, frozenset[int]]) -> frozenset[str]:
    """Names of which every certificate at hand is listed, or stands below such a name: a cross-certificate that is not keeps its name good."""
    good = {folded_names(der)[0] for der in roots}
    known = [(*folded_names(der), x509.load_der_x509_certificate(der).serial_number) for der in intermediates]
    unlisted = [(subject, issuer) for subject, issuer, serial in known if serial not in serials.get(issuer, ())]
    subjects = {subject for subject, _issuer, _serial in known} - good
    revoked, found = frozenset[str](), subjects - {subject for subject, _issuer in unlisted}
    while found - revoked:
        revoked |= found
        found = subjects - {subject for subject, issuer in unlisted if issuer not in revoked}
    return revoked
