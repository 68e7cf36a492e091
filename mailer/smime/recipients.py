"""A recipient prepared for sealing: its RecipientInfo (RFC 5652 section 6.2) with everything constant already encoded.

Prepare once, use for every message to the same certificate.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedKey
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from . import oids
from .certificates import cut
from .choice import Choice, KeyManagement, choose
from .der import BIT_STRING, explicit, integer, length, octet_string, sequence, tlv
from .errors import KeyRefused

_WRAP_OVERHEAD = 8  # RFC 3394 section 2.2.1
_WRAPS = {16: oids.AES_128_WRAP, 32: oids.AES_256_WRAP}
_SHA256 = hashes.SHA256()
_RSA = {
    KeyManagement.RSA_PKCS1: (oids.RSA_ENCRYPTION, padding.PKCS1v15()),
    KeyManagement.RSA_OAEP: (oids.RSAES_OAEP_SHA256, padding.OAEP(padding.MGF1(_SHA256), _SHA256, None)),
}
_ECDH = ec.ECDH()


class Recipient(ABC):
    """One certificate to encrypt to. `choice` is what the message's receipt tells."""

    choice: Choice

    @staticmethod
    def from_certificate(certificate_der: bytes, *, capabilities: bytes | None = None, choice: Choice | None = None) -> "Recipient":
        """From a DER certificate, whose validity the caller has judged; else as `from_parts`. Raises KeyRefused."""
        return Recipient.from_parts(*cut(certificate_der), capabilities=capabilities, choice=choice)

    @staticmethod
    def from_parts(issuer_and_serial: bytes, spki: bytes, *, capabilities: bytes | None = None, choice: Choice | None = None) -> "Recipient":
        """From stored IssuerAndSerialNumber and SubjectPublicKeyInfo in DER: no certificate is parsed. Raises KeyRefused.

        `capabilities` is the DER of the recipient's own SMIMECapabilities, by which `choose` picks the algorithms unless `choice` gives them.
        """
        try:
            key = load_der_public_key(spki)
        except (ValueError, UnsupportedKey) as error:
            raise KeyRefused("the public key cannot be read") from error
        possible = choose(key, capabilities)
        choice = choice or possible
        if isinstance(key, rsa.RSAPublicKey) and choice.key_management in _RSA:
            return RsaRecipient(issuer_and_serial, key, choice)
        if isinstance(key, ec.EllipticCurvePublicKey) and choice.key_management is KeyManagement.ECDH:
            return EcRecipient(issuer_and_serial, key, choice)
        raise KeyRefused("the chosen key management is for another kind of key")

    @abstractmethod
    def wrap(self, key: bytes) -> bytes:
        """The RecipientInfo that carries a content key, as long as `choice.content` takes it."""


class RsaRecipient(Recipient):
    """KeyTransRecipientInfo by issuer and serial number: RSAES-PKCS1-v1_5 (RFC 3370 section 4.2.1) or RSAES-OAEP (RFC 3560 section 2)."""

    def __init__(self, issuer_and_serial: bytes, key: rsa.RSAPublicKey, choice: Choice) -> None:
        self.choice = choice
        self._encrypt = key.encrypt
        algorithm, self._padding = _RSA[choice.key_management]
        size = (key.key_size + 7) // 8
        self._head = sequence(integer(0), issuer_and_serial, algorithm, octet_string(bytes(size)))[:-size]

    def wrap(self, key: bytes) -> bytes:
        return self._head + self._encrypt(key, self._padding)


class EcRecipient(Recipient):
    """KeyAgreeRecipientInfo, ephemeral-static ECDH with stdDH-sha256kdf and an AES key wrap of the content key's length (RFC 5753 section 3.1)."""

    def __init__(self, issuer_and_serial: bytes, key: ec.EllipticCurvePublicKey, choice: Choice) -> None:
        self.choice = choice
        self._key, self._curve = key, key.curve
        self._size = choice.content.key_bytes
        wrapped = self._size + _WRAP_OVERHEAD
        # The wrap algorithm is without parameters here and in SharedInfo alike: a NULL in one of the two would give another key.
        wrap_algorithm = sequence(_WRAPS[self._size])
        shared_info = sequence(wrap_algorithm, explicit(2, octet_string((self._size * 8).to_bytes(4, "big"))))
        self._derivation = b"\x00\x00\x00\x01" + shared_info  # one round of the X9.63 KDF: SHA-256 gives at least as much as is needed
        point = 1 + 2 * ((key.key_size + 7) // 8)
        originator = explicit(0, explicit(1, sequence(oids.EC_PUBLIC_KEY), tlv(BIT_STRING, b"\x00", bytes(point))))
        version_and_originator = integer(3) + originator
        algorithm = sequence(oids.ECDH_STD_SHA256_KDF, wrap_algorithm)
        keys = sequence(sequence(issuer_and_serial, octet_string(bytes(wrapped))))[:-wrapped]
        size = len(version_and_originator) + len(algorithm) + len(keys) + wrapped
        self._head = b"\xa1" + length(size) + version_and_originator[:-point]
        self._middle = algorithm + keys

    def wrap(self, key: bytes) -> bytes:
        ephemeral = ec.generate_private_key(self._curve)
        shared = ephemeral.exchange(_ECDH, self._key)
        wrapping_key = sha256(shared + self._derivation).digest()[: self._size]
        point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return b"".join((self._head, point, self._middle, keywrap.aes_key_wrap(wrapping_key, key)))


def apart(recipients: Iterable[Recipient]) -> list[list[Recipient]]:
    """The recipients by their algorithms, one list an envelope: common readers fail on an envelope that mixes RSA and EC."""
    groups: dict[Choice, list[Recipient]] = {}
    for recipient in recipients:
        groups.setdefault(recipient.choice, []).append(recipient)
    return list(groups.values())
