"""Secrets at rest: AES-256-GCM under a key-encryption key of this process, or under an owner's data key.

Sealed form: version (1), key mark (4 bytes, tells which key without telling the key), nonce (12), ciphertext with its tag. The context is
associated data, so that a secret cannot be moved to another row and opened there. No error text holds a key or a plaintext.
"""

import hmac
import os
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from django.conf import settings

from mailer.models import DataKey

_VERSION = b"\x01"
_MARK_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32
_HEAD = len(_VERSION) + _MARK_BYTES + _NONCE_BYTES
_OWNERS_KEPT = 256


class CustodyError(Exception):
    """The root of what can go wrong with a secret at rest."""


class MissingKeyError(CustodyError):
    """This process was not given the key-encryption key that the work needs; the text names the setting."""


class WrongKeyError(CustodyError):
    """The secret was sealed under another key than the one given."""


class DamagedSecretError(CustodyError):
    """The sealed bytes were changed, cut, or belong to another context."""


def require_key(name: str) -> bytes:
    """The key-encryption key of a setting such as `LETTERLOCK_DATA_KEK`. Raises MissingKeyError."""
    key: bytes | None = getattr(settings, name)
    if key is None:
        raise MissingKeyError(f"this process has no {name}")
    return key


def seal_secret(kek: bytes, plaintext: bytes, *, context: bytes) -> bytes:
    """Encrypt under a 32-byte key; `context` must be given again to open it."""
    nonce = os.urandom(_NONCE_BYTES)
    return b"".join((_VERSION, _mark(kek), nonce, AESGCM(kek).encrypt(nonce, plaintext, context)))


def open_secret(kek: bytes, sealed: bytes, *, context: bytes) -> bytes:
    """What `seal_secret` was given. Raises WrongKeyError or DamagedSecretError."""
    if len(sealed) < _HEAD + _TAG_BYTES or sealed[:1] != _VERSION:
        raise DamagedSecretError("not a sealed secret")
    if not hmac.compare_digest(sealed[1 : 1 + _MARK_BYTES], _mark(kek)):
        raise WrongKeyError("sealed under another key-encryption key")
    try:
        return AESGCM(kek).decrypt(sealed[1 + _MARK_BYTES : _HEAD], sealed[_HEAD:], context)
    except InvalidTag:
        raise DamagedSecretError("changed, or of another context") from None


class OwnerCipher:
    """The data key of one owner, open: encrypts and decrypts many values at the cost of one read.

    The data key itself is used for nothing: encryption and digests each have a key derived from it (RFC 5869).
    """

    def __init__(self, owner: UUID, data_key: bytes) -> None:
        self._owner = owner
        self._key, self._digest_key = _derived(data_key, b"encryption"), _derived(data_key, b"digests")
        # Once a cipher and not once a value: together they would cost more than the encryption of a short one.
        self._gcm = AESGCM(self._key)
        self._head = _VERSION + _mark(self._key)

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """As `seal_secret` does it under the data key."""
        nonce = os.urandom(_NONCE_BYTES)
        return b"".join((self._head, nonce, self._gcm.encrypt(nonce, plaintext, self._bound(context))))

    def decrypt(self, ciphertext: bytes, *, context: str) -> bytes:
        """Raises WrongKeyError for another owner's ciphertext, DamagedSecretError for a changed one."""
        return open_secret(self._key, bytes(ciphertext), context=self._bound(context))

    def digest(self, text: str, *, context: str) -> str:
        """A keyed hash in hex, which only who has the data key can compare with a guess; it outlives a change of the key-encryption key."""
        return hmac.digest(self._digest_key, self._bound(context) + b"\x00" + text.encode(), sha256).hex()

    def _bound(self, context: str) -> bytes:
        return self._owner.bytes + context.encode()


def cipher_of(owner: UUID) -> OwnerCipher:
    """The cipher of an organisation or application; its data key is made at the first use. Raises MissingKeyError."""
    kek = require_key("LETTERLOCK_DATA_KEK")
    cipher = _find(kek, owner)
    if cipher is None:
        fresh = seal_secret(kek, os.urandom(_KEY_BYTES), context=_wrap_context(owner))
        # Two first uses at once: the row that was stored first counts, so it is read back.
        DataKey.objects.bulk_create([DataKey(owner=owner, wrapped=fresh)], ignore_conflicts=True)
        cipher = _find(kek, owner)
    if cipher is None:
        raise WrongKeyError("the owner's data key was removed while it was being made")
    return cipher


def encrypt_for(owner: UUID, plaintext: bytes, *, context: str) -> bytes:
    """Encrypt under the owner's data key; `context` names the place it is kept in, such as `evidence:<id>`."""
    return cipher_of(owner).encrypt(plaintext, context=context)


def decrypt_for(owner: UUID, ciphertext: bytes, *, context: str) -> bytes:
    """What `encrypt_for` was given. Raises MissingKeyError, WrongKeyError, DamagedSecretError."""
    cipher = _find(require_key("LETTERLOCK_DATA_KEK"), owner)
    if cipher is None:
        raise WrongKeyError("the owner has no data key")
    return cipher.decrypt(ciphertext, context=context)


def _find(kek: bytes, owner: UUID) -> OwnerCipher | None:
    wrapped = DataKey.objects.filter(owner=owner).values_list("wrapped", flat=True).first()
    return None if wrapped is None else _unwrap(kek, owner, bytes(wrapped))


@lru_cache(maxsize=_OWNERS_KEPT)
def _unwrap(kek: bytes, owner: UUID, wrapped: bytes) -> OwnerCipher:
    # Keyed by the wrapped bytes as read, so that a key whose transaction was rolled back is never used again.
    return OwnerCipher(owner, open_secret(kek, wrapped, context=_wrap_context(owner)))


def _wrap_context(owner: UUID) -> bytes:
    return b"data-key:" + owner.bytes


def _derived(data_key: bytes, purpose: bytes) -> bytes:
    # A data key is random throughout, so there is nothing to extract (RFC 5869 section 3.3).
    return HKDFExpand(SHA256(), _KEY_BYTES, b"letterlock " + purpose).derive(data_key)


def _mark(key: bytes) -> bytes:
    return hmac.digest(key, b"letterlock key mark", sha256)[:_MARK_BYTES]
