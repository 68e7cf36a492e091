"""Sealing's floor: the sum of the primitives that no implementation can do without, on the same keys and the same number of octets.

RSA: SHA-256 of the entity and of the attributes, one signature, one encryption of the content key, AES-256-CBC of the signed entity.
EC: the same with ECDSA, and an ephemeral key, an exchange, the derivation and the key wrap in place of the encryption.
"""

import os
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

_PREHASHED = Prehashed(hashes.SHA256())
_PKCS1, _ECDSA, _ECDH = padding.PKCS1v15(), ec.ECDSA(_PREHASHED), ec.ECDH()


def rsa_floor(signing: rsa.RSAPrivateKey, recipient: rsa.RSAPublicKey, entity: bytes, attributes: bytes, signed: bytes) -> Callable[[], object]:
    """One message. `attributes` has the octets of the signed attributes, `signed` those of the padded signed entity."""
    sign, encrypt, urandom = signing.sign, recipient.encrypt, os.urandom

    def once() -> bytes:
        sha256(entity).digest()
        sign(sha256(attributes).digest(), _PKCS1, _PREHASHED)
        key = urandom(32)
        encrypt(key, _PKCS1)
        encryptor = Cipher(AES256(key), CBC(urandom(16))).encryptor()
        return encryptor.update(signed) + encryptor.finalize()

    return once


def ec_floor(
    signing: ec.EllipticCurvePrivateKey, recipient: ec.EllipticCurvePublicKey, entity: bytes, attributes: bytes, signed: bytes
) -> Callable[[], object]:
    """One message, as above."""
    sign, urandom, curve = signing.sign, os.urandom, recipient.curve
    info = bytes(32)

    def once() -> bytes:
        sha256(entity).digest()
        sign(sha256(attributes).digest(), _ECDSA)
        key = urandom(32)
        shared = ec.generate_private_key(curve).exchange(_ECDH, recipient)
        keywrap.aes_key_wrap(sha256(shared + info).digest(), key)
        encryptor = Cipher(AES256(key), CBC(urandom(16))).encryptor()
        return encryptor.update(signed) + encryptor.finalize()

    return once
