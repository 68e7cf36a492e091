"""Whether a certificate out of an answer is what it has to be: the directory is asked, and not believed."""

from collections.abc import Sequence
from datetime import datetime

from ._core.directory.x509.certificate import ParsedCertificate, parse_certificate
from ._core.directory.x509.errors import X509Error
from ._core.directory.x509.gate import check_publishable
from ._core.directory.x509.names import EmailAddress
from ._core.mailer.smime import chain, signer_certificate
from ._core.mailer.smime.errors import MalformedCms
from ._core.mailer.smime.outcomes import Outcome
from ._core.mailer.smime.trust import Revocation, Trust
from .answers import Lookup
from .errors import UnfitCertificateError, UnusableAnswerError


def to_encrypt_to(lookup: Lookup, address: EmailAddress, *, at: datetime, trust: Trust | None = None) -> ParsedCertificate | None:
    """The directory's choice, once it is known to be fit; None where there is no certificate.

    1. It parses, and its key, usage and critical extensions are such that mail programs can rely on it.
    2. It names the address and is valid at `at`.
    3. It is for encrypting.
    4. With `trust`, it leads to one of those roots.

    Raises UnfitCertificateError: what is unfit is not passed over for the next, since then the whole answer is in doubt.
    """
    if lookup.status == "found" and lookup.selected is None:
        raise UnusableAnswerError("the answer has certificates and none of them is selected")
    if lookup.selected is None:
        return None
    try:
        # Steps 1 and 2.
        parsed = parse_certificate(lookup.selected.der)
        check_publishable(parsed, address=address, at=at)
    except X509Error as error:
        raise UnfitCertificateError(address.address, str(error), code=error.code) from error
    # Step 3.
    if not parsed.can_encrypt:
        raise UnfitCertificateError(address.address, "it is not for encrypting", code="usage")
    # Step 4.
    if trust is not None:
        _check_path(parsed, address, at=at, trust=trust)
    return parsed


def trust_in(roots: Sequence[bytes], intermediates: Sequence[bytes] = (), crls: Sequence[bytes] = (), *, revocation: bool = False) -> Trust:
    """Roots, intermediates and CRLs in DER; with `revocation` a certificate without a fresh answer on it is not good."""
    return Trust(tuple(roots), tuple(intermediates), tuple(crls), revocation=Revocation.REQUIRE if revocation else Revocation.IF_GIVEN)


def _check_path(parsed: ParsedCertificate, address: EmailAddress, *, at: datetime, trust: Trust) -> None:
    try:
        outcome = chain.judge(trust, signer_certificate.load(parsed.der), (), at=at)
    except MalformedCms:
        outcome = Outcome.MALFORMED
    if outcome is not Outcome.VERIFIED:
        raise UnfitCertificateError(address.address, f"it does not lead to a trusted root ({outcome.value})", code=outcome.value)
