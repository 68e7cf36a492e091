"""Open EnvelopedData and AuthEnvelopedData with the recipient's key.

What comes out has been decrypted. Even where the cipher authenticates (GCM), anyone may have encrypted it: only `verify` says who wrote it.

1. Read the envelope, and in it the recipients that one of the keys is.
2. For each, unwrap the content key.
3. Decrypt the content. What fails is told in one way whatever the cause (RFC 3218).
"""

from collections.abc import Sequence
from typing import NamedTuple

from . import envelopes
from .certificates import cut
from .content_ciphers import cipher_of, decrypt
from .content_keys import CANNOT, KeyTransfer, PrivateKey, content_key, key_transfer
from .envelopes import MAX_TRIED, Agreed, Envelope, Transported
from .errors import CannotDecrypt, NotForThisKey
from .key_identifiers import identifiers_of
from .reader import MAX_CMS


class Opener:
    """A private key and the DER certificate by which senders name it."""

    def __init__(self, key: PrivateKey, certificate: bytes) -> None:
        """Raises KeyRefused."""
        self.key = key
        self.issuer_and_serial = cut(certificate).issuer_and_serial
        self.names = frozenset({self.issuer_and_serial, *(envelopes.key_identifier(found) for found in identifiers_of(certificate))})


class Opened(NamedTuple):
    """What was in an envelope, and how it was protected.

    `content_type` is an identifier in DER, `cipher` a name such as AES-256-CBC. `authenticated` says that the content is what the
    sender encrypted, not who that was; `legacy` that the cipher is one nobody should rely on.
    """

    content: bytes
    content_type: bytes
    key_transfer: KeyTransfer
    cipher: str
    authenticated: bool
    legacy: bool


def open_envelope(envelope: bytes, openers: Sequence[Opener], *, max_size: int = MAX_CMS) -> bytes:
    """The decrypted content. Raises as `opened` does."""
    return opened(envelope, openers, max_size=max_size).content


def opened(envelope: bytes, openers: Sequence[Opener], *, max_size: int = MAX_CMS) -> Opened:
    """The content and how it was protected.

    Raises TooLarge, MalformedCms, UnsupportedAlgorithm, LegacyAlgorithm, NotForThisKey, CannotDecrypt.
    """
    # Step 1.
    return unseal(envelopes.read(envelope, names_of(openers), max_size=max_size), openers)


def names_of(openers: Sequence[Opener]) -> frozenset[bytes]:
    """All names under which an envelope may mean one of these keys."""
    return frozenset[bytes]().union(*(opener.names for opener in openers))


def unseal(envelope: Envelope, openers: Sequence[Opener]) -> Opened:
    """Steps 2 and 3 for an envelope that was read before, perhaps elsewhere. Raises as `opened` does, except TooLarge."""
    cipher = cipher_of(envelope)
    failure: CannotDecrypt | None = None
    for opener, recipient in _matches(envelope, openers)[:MAX_TRIED]:
        try:
            # Step 2.
            key = content_key(opener.key, recipient, cipher.key_bytes)
            # Step 3.
            content = decrypt(envelope, key)
        except CannotDecrypt as error:
            failure = error
            continue
        return Opened(content, envelope.content_type, key_transfer(recipient), cipher.name, envelope.tag is not None, cipher.legacy)
    if failure is not None:
        raise CannotDecrypt(CANNOT) from failure
    raise NotForThisKey("none of the recipients is one of these keys")


def _matches(envelope: Envelope, openers: Sequence[Opener]) -> list[tuple[Opener, Transported | Agreed]]:
    return [(opener, recipient) for opener in openers for recipient in envelope.recipients if recipient.name in opener.names]
