"""EnvelopedData (RFC 5652 section 6) with AES-256-CBC (RFC 3565), written front to back from prepared parts."""

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from . import oids
from .choice import KeyManagement
from .der import integer, length, octet_string, sequence, set_of
from .errors import MixedRecipients
from .recipients import KEY_BYTES, Recipient

MAX_RECIPIENTS = 100
_BLOCK = 16
_ALGORITHM_HEAD = sequence(oids.AES_256_CBC, octet_string(bytes(_BLOCK)))[:-_BLOCK]
_VERSION_OF_RSA, _VERSION_OF_ECDH = integer(0), integer(2)  # RFC 5652 section 6.1


def encrypt(entity: bytes, recipients: Sequence[Recipient]) -> bytes:
    """ContentInfo in DER that each of the recipients can open; see `recipients.apart`. Raises MixedRecipients, ValueError."""
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"{len(recipients)} recipients; an envelope has 1 to {MAX_RECIPIENTS}")
    first = recipients[0]
    key_management = first.choice.key_management
    if len(recipients) > 1 and any(other.choice.key_management is not key_management for other in recipients):
        raise MixedRecipients("RSA and EC recipients need envelopes of their own")

    chance = os.urandom(KEY_BYTES + _BLOCK)
    key, vector = chance[:KEY_BYTES], chance[KEY_BYTES:]
    infos = set_of([recipient.wrap(key) for recipient in recipients])
    encryptor = Cipher(AES256(key), CBC(vector)).encryptor()
    fill = _BLOCK - len(entity) % _BLOCK
    body = encryptor.update(entity)
    tail = encryptor.update(bytes((fill,)) * fill) + encryptor.finalize()

    # Lengths come before contents, so each level's head is written from the inside out; the body itself is copied once.
    version = _VERSION_OF_RSA if key_management is KeyManagement.RSA_PKCS1 else _VERSION_OF_ECDH
    size = len(body) + len(tail)
    content_head = b"".join((oids.DATA, _ALGORITHM_HEAD, vector, b"\x80", length(size)))
    head = b"".join((version, infos, b"\x30", length(len(content_head) + size), content_head))
    size += len(head)
    head = b"\x30" + length(size) + head
    size = len(head) + len(body) + len(tail)
    head = b"".join((oids.ENVELOPED_DATA, b"\xa0", length(size), head))
    size = len(head) + len(body) + len(tail)
    return b"".join((b"\x30", length(size), head, body, tail))
