"""From a recipient's usable certificates to what an envelope is made for, kept ready in this process: a recipient rarely gets one mail alone."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from mailer.smime.choice import KeyManagement
from mailer.smime.errors import KeyRefused
from mailer.smime.recipients import Recipient

logger = logging.getLogger(__name__)
# The certificates of one recipient that a message is sealed to; no mailbox has more that are published.
MOST_CERTIFICATES = 10
# For the receipt, where a recipient's EC certificates are left out. NSS and gpgsm open no mail for one, nor an RSA one beside it.
RSA_FIRST = "to RSA keys alone, which more programs open than EC"
# Some 10 KB each.
_MOST_KEPT = 2000


class Sealable(Protocol):
    """A certificate's row, or the columns of it that are needed: DER, and the holder's own SMIMECapabilities if the certificate has them."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def issuer_and_serial(self) -> bytes | memoryview: ...
    @property
    def spki(self) -> bytes | memoryview: ...
    @property
    def smime_capabilities(self) -> bytes | memoryview | None: ...


class Envelope(NamedTuple):
    """Whom one envelope is for: empty where no certificate can be sealed to. `receipt` says by which algorithms, and why these, but not to whom."""

    recipients: tuple[Recipient, ...]
    fingerprints: tuple[str, ...]
    receipt: str


class _Parts(NamedTuple):
    fingerprint: str
    issuer_and_serial: bytes
    spki: bytes
    capabilities: bytes | None


def envelope_for(certificates: Sequence[Sealable]) -> Envelope:
    """The RSA ones, or those for EC where there is no RSA, in the order of `certificates`: common readers fail on an envelope of both kinds."""
    return _prepared(
        tuple(
            _Parts(
                certificate.fingerprint,
                bytes(certificate.issuer_and_serial),
                bytes(certificate.spki),
                None if certificate.smime_capabilities is None else bytes(certificate.smime_capabilities),
            )
            for certificate in certificates[:MOST_CERTIFICATES]
        )
    )


@lru_cache(maxsize=_MOST_KEPT)
def _prepared(certificates: tuple[_Parts, ...]) -> Envelope:
    usable = [(parts, recipient) for parts in certificates if (recipient := _recipient(parts)) is not None]
    if not usable:
        return Envelope((), (), "")
    rsa = [(parts, recipient) for parts, recipient in usable if recipient.choice.key_management is not KeyManagement.ECDH]
    chosen = rsa or usable
    if any(recipient.choice != chosen[0][1].choice for _, recipient in chosen):
        # One envelope has one cipher: what only some of the recipient's programs can open is for none of them.
        chosen = [(parts, Recipient.from_parts(parts.issuer_and_serial, parts.spki)) for parts, _ in chosen]
    fingerprints = tuple(parts.fingerprint for parts, _ in chosen)
    receipt = chosen[0][1].choice.explanation + (f"; {RSA_FIRST}" if rsa and len(rsa) < len(usable) else "")
    return Envelope(tuple(recipient for _, recipient in chosen), fingerprints, receipt)


def _recipient(parts: _Parts) -> Recipient | None:
    try:
        return Recipient.from_parts(parts.issuer_and_serial, parts.spki, capabilities=parts.capabilities)
    except KeyRefused:
        logger.warning("certificate %s cannot be sealed to", parts.fingerprint)
        return None
