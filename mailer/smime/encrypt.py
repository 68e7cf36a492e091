"""EnvelopedData with AES-CBC (RFC 5652 section 6, RFC 3565) and AuthEnvelopedData with AES-GCM (RFC 5083, RFC 5084), from prepared parts.

Written front to back; the encrypted content is copied once.
"""

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from . import oids
from .choice import ContentCipher, KeyManagement
from .der import integer, length, octet_string, sequence, set_of
from .errors import MixedRecipients
from .recipients import Recipient

MAX_RECIPIENTS = 100
_BLOCK = 16
_NONCE = 12  # RFC 5084 section 3.2
_TAG = 16
_NAMES = {
    ContentCipher.AES_128_CBC: oids.AES_128_CBC,
    ContentCipher.AES_256_CBC: oids.AES_256_CBC,
    ContentCipher.AES_128_GCM: oids.AES_128_GCM,
    ContentCipher.AES_256_GCM: oids.AES_256_GCM,
}
# The algorithm with its parameters: what stands before and after the vector or nonce. ICVlen is told, since its default would be 12.
_CBC_HEADS = {cipher: oids.DATA + sequence(name, octet_string(bytes(_BLOCK)))[:-_BLOCK] for cipher, name in _NAMES.items()}
_GCM_TAIL = integer(_TAG)
_GCM_HEADS = {
    cipher: oids.DATA + sequence(name, sequence(octet_string(bytes(_NONCE)), _GCM_TAIL))[: -_NONCE - len(_GCM_TAIL)]
    for cipher, name in _NAMES.items()
}
# RFC 5652 section 6.1: 2 as soon as a key is agreed upon. RFC 5083 section 2.1: always 0.
_VERSION_OF_ECDH, _VERSION_OTHERWISE = integer(2), integer(0)


def encrypt(entity: bytes, recipients: Sequence[Recipient]) -> bytes:
    """ContentInfo in DER that each of the recipients can open; see `recipients.apart`. Raises MixedRecipients, ValueError."""
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"{len(recipients)} recipients; an envelope has 1 to {MAX_RECIPIENTS}")
    choice = recipients[0].choice
    if len(recipients) > 1 and any(other.choice != choice for other in recipients):
        raise MixedRecipients("recipients of different algorithms need envelopes of their own")
    if choice.content.authenticates:
        return _encrypt_gcm(entity, recipients, choice.content)
    version = _VERSION_OF_ECDH if choice.key_management is KeyManagement.ECDH else _VERSION_OTHERWISE
    return _encrypt_cbc(entity, recipients, choice.content, version)


def _encrypt_cbc(entity: bytes, recipients: Sequence[Recipient], cipher: ContentCipher, version: bytes) -> bytes:
    chance = os.urandom(cipher.key_bytes + _BLOCK)
    key, vector = chance[:-_BLOCK], chance[-_BLOCK:]
    encryptor = Cipher(AES(key), CBC(vector)).encryptor()
    fill = _BLOCK - len(entity) % _BLOCK
    body = encryptor.update(entity)
    tail = encryptor.update(bytes((fill,)) * fill) + encryptor.finalize()
    content_head = b"".join((_CBC_HEADS[cipher], vector, b"\x80", length(len(body) + len(tail))))
    return _frame(oids.ENVELOPED_DATA, version + _infos(recipients, key), content_head, (body, tail))


def _encrypt_gcm(entity: bytes, recipients: Sequence[Recipient], cipher: ContentCipher) -> bytes:
    chance = os.urandom(cipher.key_bytes + _NONCE)
    key, nonce = chance[:-_NONCE], chance[-_NONCE:]
    sealed = memoryview(AESGCM(key).encrypt(nonce, entity, None))
    content_head = b"".join((_GCM_HEADS[cipher], nonce, _GCM_TAIL, b"\x80", length(len(entity))))
    mac = octet_string(sealed[-_TAG:].tobytes())
    return _frame(oids.AUTH_ENVELOPED_DATA, _VERSION_OTHERWISE + _infos(recipients, key), content_head, (sealed[:-_TAG],), mac)


def _infos(recipients: Sequence[Recipient], key: bytes) -> bytes:
    return set_of([recipient.wrap(key) for recipient in recipients])


def _frame(name: bytes, version_and_infos: bytes, content_head: bytes, content: tuple[bytes | memoryview, ...], mac: bytes = b"") -> bytes:
    """Lengths come before contents, so each level's head is written from the inside out."""
    size = sum(map(len, content))
    head = b"".join((version_and_infos, b"\x30", length(len(content_head) + size), content_head))
    size += len(mac)
    head = b"\x30" + length(len(head) + size) + head
    head = b"".join((name, b"\xa0", length(len(head) + size), head))
    return b"".join((b"\x30", length(len(head) + size), head, *content, mac))
