"""Read a mail that somebody sent: is it by whom it says it is? Every octet is parsed in a process of its own, under limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ._core.mailer.smime import isolated
from ._core.mailer.smime.mail import MAX_MAIL
from ._core.mailer.smime.outcomes import Outcome
from ._core.mailer.smime.parts import Kind
from ._core.mailer.smime.trust import Trust
from .client import now
from .keys import OwnKey


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome` is `verified` or names what is wrong. Only if `verified` are the others to be believed.

    `addresses` are those of the signer's certificate (DER), one of which is the From address; `content` is the innermost MIME entity
    that was reached; `signed_at` is what the signer says of the time.
    """

    outcome: Outcome
    encrypted: bool
    addresses: tuple[str, ...]
    signed_at: datetime | None
    certificate: bytes = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def verified(self) -> bool:
        return self.outcome is Outcome.VERIFIED


def verify(message: bytes, *, trust: Trust, keys: Sequence[OwnKey] = (), at: datetime | None = None) -> Verdict:
    """The verdict on a whole message (RFC 5322) by `trust` (`trust_in`) at the moment `at` (aware), now by default.

    `keys` open what is encrypted. Nothing is fetched. Raises nothing for what is in the message: a bad one has an outcome.
    """
    if len(message) > MAX_MAIL:
        return Verdict(Outcome.TOO_LARGE, encrypted=False, addresses=(), signed_at=None, certificate=b"", content=b"")
    reading = isolated.read_mail(message, [key.opener for key in keys], trust=trust, at=at or now())
    # As `read_mail` judges: the outermost signature inside the last envelope; who signs ciphertext need not know what is in it.
    sealed = max((place for place, layer in enumerate(reading.layers) if layer.kind is Kind.ENCRYPTED), default=-1)
    inside = [layer.verification for layer in reading.layers[sealed + 1 :] if layer.verification is not None]
    last = inside[0] if inside and inside[0].signatures else None
    signer = last.signatures[0] if last else None
    return Verdict(
        reading.outcome,
        encrypted=reading.encrypted,
        addresses=signer.addresses if signer else (),
        signed_at=signer.claimed_at if signer else None,
        certificate=last.certificate if last else b"",
        content=reading.content,
    )
