"""What a signed mail that was handed in says: whose it is, and which certificates are its sender's own; or why it is not taken.

1. It has a size that is read.
2. It is verified: the signature, the chain with revocation, the sender (`mailer.smime.mail`, in another process).
3. The signature is outermost and one person's.
4. The certificates are the signer's own and the one it points to, and both are publishable for the address in From.
5. A DKIM signature of the sender's domain, where there is one, holds. It is last, since it asks the DNS of who is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import AddressError, X509Error
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress
from mailer.dkim_verifying import Texts, Verdict, verdict
from mailer.smime import isolated
from mailer.smime.errors import EncryptionRefused, SmimeError
from mailer.smime.trust import Trust

MOST_OCTETS = 10 * 1024 * 1024


class ContributionRefusedError(Exception):
    """The mail is not taken; `reason` is a stable code: an `Outcome`, a code of the gate, or one of this module."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UndecidedError(Exception):
    """The DNS could not be asked for the sender's DKIM key: the same mail may be taken later."""


@dataclass(frozen=True)
class Contribution:
    """A verified mail's sender and certificates; `encryption` is None where the signer named no other. `chain` are authorities in DER."""

    address: EmailAddress
    signer: ParsedCertificate
    encryption: ParsedCertificate | None
    chain: Sequence[bytes]

    @property
    def certificates(self) -> list[ParsedCertificate]:
        return [self.signer] if self.encryption is None else [self.signer, self.encryption]


def read_contribution(message: bytes, *, trust: Trust, texts: Texts, at: datetime) -> Contribution:
    """Raises ContributionRefusedError, UndecidedError. `texts` asks the DNS."""
    # Step 1.
    if len(message) > MOST_OCTETS:
        raise ContributionRefusedError("too_large")
    # Step 2.
    reading = isolated.read_mail(message, trust=trust, at=at)
    if not reading.verified:
        raise ContributionRefusedError(reading.outcome.value)
    # Step 3.
    outermost = reading.layers[0]
    if outermost.verification is None:
        raise ContributionRefusedError("signed_inside")
    if len(outermost.verification.signatures) != 1:
        raise ContributionRefusedError("several_signers")
    # Step 4.
    contribution = _own(message, outermost.verification.certificate, trust=trust, at=at)
    # Step 5.
    found, _words = verdict(message, domain=contribution.address.match.rpartition("@")[2], texts=texts, at=at)
    if found is Verdict.LATER:
        raise UndecidedError
    if found is Verdict.FAILS:
        raise ContributionRefusedError("dkim_fails")
    return contribution


def _own(message: bytes, signer: bytes, *, trust: Trust, at: datetime) -> Contribution:
    try:
        found = isolated.certificates_of(message, signer, trust=trust, at=at)
        address = EmailAddress.parse(found.sender)
    except EncryptionRefused as refused:
        raise ContributionRefusedError(f"encryption_{refused.outcome.value if refused.outcome else 'missing'}") from refused
    except SmimeError as error:
        raise ContributionRefusedError(error.code) from error
    except AddressError as error:
        raise ContributionRefusedError("sender_unclear") from error
    own = _publishable(signer, address, at=at, mark="")
    encryption = _publishable(found.encryption, address, at=at, mark="encryption_") if found.encryption else None
    if encryption is not None and not encryption.can_encrypt:
        raise ContributionRefusedError("encryption_no_mail_usage")
    return Contribution(address, own, encryption, found.authorities)


def _publishable(der: bytes, address: EmailAddress, *, at: datetime, mark: str) -> ParsedCertificate:
    try:
        parsed = parse_certificate(der)
        check_publishable(parsed, address=address, at=at)
    except X509Error as error:
        raise ContributionRefusedError(mark + error.code) from error
    return parsed
