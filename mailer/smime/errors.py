"""What can go wrong while building, sealing or opening a message.

No error carries key material or content; `field` names the offending input so that an adapter can point at it.
"""

from .outcomes import Outcome


class SmimeError(Exception):
    """The root of this package's errors; `code` is stable and meant for machines."""

    code = "smime"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class EntityError(SmimeError):
    """The content cannot become a MIME entity."""

    code = "entity"


class UnsafeCharacter(EntityError):
    """A character that could end a header, hide text or not be mailed at all."""

    code = "unsafe_character"


class AddressRefused(EntityError):
    """Not an address that may stand in a header."""

    code = "address_refused"


class MediaTypeRefused(EntityError):
    """An attachment's type is not `type/subtype`, or is composite (RFC 2046 section 5)."""

    code = "media_type_refused"


class ContentIdRefused(EntityError):
    """An inline image that cannot be: its id is odd or used twice, it is no image, or the HTML does not show it."""

    code = "content_id_refused"


class TooLarge(SmimeError):
    """Over a limit of this package."""

    code = "too_large"


class KeyRefused(SmimeError):
    """A key or certificate that this package does not seal or sign with."""

    code = "key_refused"


class MixedRecipients(SmimeError):
    """RSA and EC recipients in one envelope, which common readers cannot open."""

    code = "mixed_recipients"


class MalformedCms(SmimeError):
    """Not the DER, or not the CMS structure, that was expected."""

    code = "malformed"


class UnsupportedAlgorithm(SmimeError):
    """Well formed, but by an algorithm that is not read here."""

    code = "unsupported_algorithm"


class NotForThisKey(SmimeError):
    """No recipient of the envelope is one of the given keys."""

    code = "not_for_this_key"


class CannotDecrypt(SmimeError):
    """The key or the content did not decrypt; one error for every cause, so that nothing is an oracle (RFC 3218)."""

    code = "cannot_decrypt"


class LegacyAlgorithm(UnsupportedAlgorithm):
    """By an algorithm so old that nothing computes it any more, or that must not be relied on."""

    code = "legacy_algorithm"


class TooSlow(SmimeError):
    """Reading took longer than it may."""

    code = "too_slow"


class ParsingFailed(SmimeError):
    """The process that reads what strangers sent died of it, or gave nothing that can be used."""

    code = "parsing_failed"


class CrlRefused(SmimeError):
    """A revocation list that cannot be gone by; the text says why."""

    code = "crl_refused"


class EncryptionRefused(SmimeError):
    """The certificate that a sender wants to be encrypted to cannot be kept: by its `outcome`, or since it is not there, which is None."""

    code = "encryption_refused"

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__("the certificate to encrypt to cannot be kept")
        self.outcome = outcome
