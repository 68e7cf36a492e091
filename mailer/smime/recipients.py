"""A recipient prepared for sealing: its RecipientInfo (RFC 5652 section 6.2) with everything constant already encoded.

Prepare once, use for every message to the same certificate.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedKey
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from . import oids
from .certificates import cut
from .choice import Choice, KeyManagement, choose
from .der import BIT_STRING, explicit, integer, length, octet_string, sequence, tlv
from .errors import KeyRefused

KEY_BYTES = 32
_WRAPPED_BYTES = KEY_BYTES + 8  # RFC 3394 section 2.2.1
_PKCS1 = padding.PKCS1v15()
_ECDH = ec.ECDH()


class Recipient(ABC):
    """One certificate to encrypt to. `choice` is what the message's receipt tells."""

    choice: Choice

    @staticmethod
    def from_certificate(certificate: bytes) -> "Recipient":
        """From a DER certificate, whose validity the caller has judged. Raises KeyRefused."""
        return Recipient.from_parts(*cut(certificate))

    @staticmethod
    def from_parts(issuer_and_serial: bytes, spki: bytes) -> "Recipient":
        """From stored IssuerAndSerialNumber and SubjectPublicKeyInfo in DER: no certificate is parsed. Raises KeyRefused."""
        try:
            key = load_der_public_key(spki)
        except (ValueError, UnsupportedKey) as error:
            raise KeyRefused("the public key cannot be read") from error
        choice = choose(key)
        if isinstance(key, rsa.RSAPublicKey):
            return RsaRecipient(issuer_and_serial, key, choice)
        if isinstance(key, ec.EllipticCurvePublicKey):
            return EcRecipient(issuer_and_serial, key, choice)
        raise KeyRefused("a kind of key that is not sealed to")

    @abstractmethod
    def wrap(self, key: bytes) -> bytes:
        """The RecipientInfo that carries a content key of 32 bytes."""


class RsaRecipient(Recipient):
    """KeyTransRecipientInfo by issuer and serial number, RSAES-PKCS1-v1_5 (RFC 3370 section 4.2.1)."""

    def __init__(self, issuer_and_serial: bytes, key: rsa.RSAPublicKey, choice: Choice) -> None:
        self.choice = choice
        self._encrypt = key.encrypt
        size = (key.key_size + 7) // 8
        self._head = sequence(integer(0), issuer_and_serial, oids.RSA_ENCRYPTION, octet_string(bytes(size)))[:-size]

    def wrap(self, key: bytes) -> bytes:
        return self._head + self._encrypt(key, _PKCS1)


class EcRecipient(Recipient):
    """KeyAgreeRecipientInfo, ephemeral-static ECDH with stdDH-sha256kdf and aes256-wrap (RFC 5753 section 3.1)."""

    def __init__(self, issuer_and_serial: bytes, key: ec.EllipticCurvePublicKey, choice: Choice) -> None:
        self.choice = choice
        self._key, self._curve = key, key.curve
        # The wrap algorithm is without parameters here and in SharedInfo alike: a NULL in one of the two would give another key.
        wrap_algorithm = sequence(oids.AES_256_WRAP)
        shared_info = sequence(wrap_algorithm, explicit(2, octet_string((KEY_BYTES * 8).to_bytes(4, "big"))))
        self._derivation = b"\x00\x00\x00\x01" + shared_info  # one round of the X9.63 KDF: SHA-256 gives all 32 bytes
        point = 1 + 2 * ((key.key_size + 7) // 8)
        originator = explicit(0, explicit(1, sequence(oids.EC_PUBLIC_KEY), tlv(BIT_STRING, b"\x00", bytes(point))))
        version_and_originator = integer(3) + originator
        algorithm = sequence(oids.ECDH_STD_SHA256_KDF, wrap_algorithm)
        keys = sequence(sequence(issuer_and_serial, octet_string(bytes(_WRAPPED_BYTES))))[:-_WRAPPED_BYTES]
        size = len(version_and_originator) + len(algorithm) + len(keys) + _WRAPPED_BYTES
        self._head = b"\xa1" + length(size) + version_and_originator[:-point]
        self._middle = algorithm + keys

    def wrap(self, key: bytes) -> bytes:
        ephemeral = ec.generate_private_key(self._curve)
        shared = ephemeral.exchange(_ECDH, self._key)
        wrapping_key = sha256(shared + self._derivation).digest()
        point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return b"".join((self._head, point, self._middle, keywrap.aes_key_wrap(wrapping_key, key)))


def apart(recipients: Iterable[Recipient]) -> list[list[Recipient]]:
    """The recipients by kind of key, one list an envelope: common readers fail on an envelope that mixes them."""
    groups: dict[KeyManagement, list[Recipient]] = {}
    for recipient in recipients:
        groups.setdefault(recipient.choice.key_management, []).append(recipient)
    return list(groups.values())
