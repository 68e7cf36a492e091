"""Which algorithms a recipient's key gets: one table.

What is not known of a recipient's program is taken to be the oldest in use: AES-256-CBC opens everywhere, while AES-GCM shows a blank page
in Thunderbird and RSA-OAEP does not open in NSS or gpgsm.
"""

from enum import StrEnum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from .errors import KeyRefused


class KeyManagement(StrEnum):
    """How the content key reaches a recipient. Each kind gets an envelope of its own."""

    RSA_PKCS1 = "rsa-pkcs1-v1.5"
    ECDH = "ecdh-stddh-sha256kdf-aes256-wrap"


class ContentCipher(StrEnum):
    AES_256_CBC = "aes-256-cbc"


class Choice(NamedTuple):
    key_management: KeyManagement
    content: ContentCipher


DEFAULTS = {
    "RSA": Choice(KeyManagement.RSA_PKCS1, ContentCipher.AES_256_CBC),
    "P-256": Choice(KeyManagement.ECDH, ContentCipher.AES_256_CBC),
    "P-384": Choice(KeyManagement.ECDH, ContentCipher.AES_256_CBC),
}

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
# Below 2048 bits a key protects nothing; a much larger one is an attack on whoever computes with it.
_RSA_BITS = range(2048, 8192 + 1)


def kind(key: PublicKeyTypes) -> str:
    """The table's word for a public key: `RSA`, `P-256` or `P-384`. Raises KeyRefused."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise KeyRefused(f"an RSA key of {key.key_size} bits; 2048 to 8192 are accepted")
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise KeyRefused("a key that is neither RSA nor on P-256 or P-384")


def choose(key: PublicKeyTypes) -> Choice:
    """The algorithms for a recipient of whom only the key is known. Raises KeyRefused."""
    return DEFAULTS[kind(key)]
