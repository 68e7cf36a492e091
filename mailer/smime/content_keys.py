"""From a RecipientInfo to the content key: RSA transport (RFC 3370 section 4.2.1, RFC 3560) and EC key agreement (RFC 5753).

Whatever is wrong with an encrypted key is told like wrong content: by `CANNOT`, or, for RSA, not at all (RFC 3218 section 2.3.2).
"""

import os
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedKey
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA1, Hash
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from . import foreign, oids
from .der import OCTET_STRING, SEQUENCE, explicit, octet_string, sequence
from .envelopes import Agreed, Transported
from .errors import CannotDecrypt, UnsupportedAlgorithm
from .foreign import AGREEMENTS, CURVES, DIGESTS, TRIPLE_DES_WRAP, WRAPS
from .reader import Algorithm, Reader

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CANNOT = "the content cannot be decrypted"
_PSPECIFIED = bytes.fromhex("06092a864886f70d010109")
_TRIPLE_DES_WRAP_VECTOR = bytes.fromhex("4adda22c79e82105")  # RFC 3217 section 3.2
_MAX_MATERIAL = 1024


class KeyTransfer(StrEnum):
    """How a content key reached its recipient, as a receipt tells it."""

    RSA_PKCS1 = "rsa-pkcs1-v1.5"
    RSA_OAEP = "rsa-oaep"
    ECDH = "ecdh"


def key_transfer(recipient: Transported | Agreed) -> KeyTransfer:
    """Which one this is. Raises MalformedCms, UnsupportedAlgorithm."""
    name = Algorithm(recipient.algorithm).name
    if isinstance(recipient, Transported) and name == oids.RSA_ENCRYPTION_NAME:
        return KeyTransfer.RSA_PKCS1
    if isinstance(recipient, Transported) and name == oids.RSAES_OAEP_NAME:
        return KeyTransfer.RSA_OAEP
    if isinstance(recipient, Agreed) and name in AGREEMENTS:
        return KeyTransfer.ECDH
    raise UnsupportedAlgorithm("a way of carrying keys that is not read here")


def content_key(key: PrivateKey, recipient: Transported | Agreed, size: int) -> bytes:
    """The content key of `size` octets. Raises MalformedCms, UnsupportedAlgorithm, CannotDecrypt."""
    key_transfer(recipient)
    if isinstance(recipient, Transported):
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnsupportedAlgorithm("RSA key transport to a key that is not RSA")
        return _transported(key, recipient, size)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnsupportedAlgorithm("EC key agreement with a key that is not EC")
    return _agreed(key, recipient, size)


def _transported(key: rsa.RSAPrivateKey, sent: Transported, size: int) -> bytes:
    """A key of the wrong shape becomes a random one, so that every failure is the content's."""
    algorithm = Algorithm(sent.algorithm)
    scheme = padding.PKCS1v15() if algorithm.name == oids.RSA_ENCRYPTION_NAME else _oaep(algorithm)
    stand_in = os.urandom(size)
    try:
        found = key.decrypt(sent.encrypted_key, scheme)
    except ValueError:
        return stand_in
    except UnsupportedKey as error:
        raise UnsupportedAlgorithm("OAEP parameters that are not computed here") from error
    return found if len(found) == size else stand_in


def _oaep(algorithm: Algorithm) -> padding.OAEP:
    """RSAES-OAEP-params, each absent one at its default of SHA-1, MGF1 with SHA-1 and an empty label (RFC 4055 section 4.1)."""
    parameters = Reader.of(algorithm.parameters).enter(SEQUENCE) if algorithm.parameters else Reader.over(b"")
    chosen = parameters.entered(0xA0)
    digest = _digest(chosen.whole(SEQUENCE)) if chosen else DIGESTS[foreign.SHA1]
    mask, mask_digest = parameters.entered(0xA1), DIGESTS[foreign.SHA1]
    if mask:
        generator = Algorithm(mask.whole(SEQUENCE))
        if generator.name != oids.MGF1_NAME or generator.parameters is None:
            raise UnsupportedAlgorithm("a mask generation that is not MGF1")
        mask_digest = _digest(generator.parameters)
    label, source = b"", parameters.entered(0xA2)
    if source:
        specified = Algorithm(source.whole(SEQUENCE))
        if specified.name != _PSPECIFIED or specified.parameters is None:
            raise UnsupportedAlgorithm("an OAEP label that is not specified")
        label = Reader.of(specified.parameters).octets(OCTET_STRING)
    parameters.close()
    return padding.OAEP(padding.MGF1(mask_digest), digest, label or None)


def _digest(encoded: bytes) -> hashes.HashAlgorithm:
    digest = DIGESTS.get(Algorithm(encoded).name)
    if digest is None:
        raise UnsupportedAlgorithm("a digest that is not read here")
    return digest


def _agreed(key: ec.EllipticCurvePrivateKey, sent: Agreed, size: int) -> bytes:
    """Ephemeral-static ECDH, then the X9.63 derivation over ECC-CMS-SharedInfo, then unwrapping (RFC 5753 sections 3.1.3 and 7.2)."""
    algorithm = Algorithm(sent.algorithm)
    if algorithm.parameters is None:
        raise UnsupportedAlgorithm("a key agreement that names no key wrap")
    wrap = Algorithm(algorithm.parameters)
    wrap_bytes = WRAPS.get(wrap.name)
    if wrap_bytes is None or not wrap.bare:
        raise UnsupportedAlgorithm("a key wrap that is not read here")
    _check_curve(key, sent.originator)
    material = b""
    if sent.material is not None:
        if len(sent.material) > _MAX_MATERIAL:
            raise UnsupportedAlgorithm(f"keying material of more than {_MAX_MATERIAL} bytes")
        material = explicit(0, octet_string(sent.material))
    # The wrap algorithm with NULL or without, as it was sent: that gives different keys. SharedInfo is DER, whatever lengths were on the wire.
    shared_info = sequence(sequence(wrap.name, wrap.parameters or b""), material, explicit(2, octet_string((wrap_bytes * 8).to_bytes(4, "big"))))
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, sent.point)
        shared = key.exchange(ec.ECDH(), point)
        wrapping_key = X963KDF(AGREEMENTS[algorithm.name], wrap_bytes, shared_info).derive(shared)
        if wrap.name == TRIPLE_DES_WRAP:
            found = _unwrap_triple_des(wrapping_key, sent.encrypted_key)
        else:
            found = keywrap.aes_key_unwrap(wrapping_key, sent.encrypted_key)
    except (ValueError, keywrap.InvalidUnwrap) as error:
        raise CannotDecrypt(CANNOT) from error
    if len(found) != size:
        raise CannotDecrypt(CANNOT)
    return found


def _check_curve(key: ec.EllipticCurvePrivateKey, originator: bytes) -> None:
    """The originator may name the curve, NULL or nothing (RFC 5753 section 3.1.1); another curve's point is not for this key."""
    named = Algorithm(originator)
    if named.name != oids.EC_PUBLIC_KEY or not (named.bare or CURVES.get(named.parameters or b"") == key.curve.name):
        raise UnsupportedAlgorithm("an originator's key of another kind or curve")


def _unwrap_triple_des(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """RFC 3217 section 3.2."""
    if len(wrapped) != 40:  # noqa: PLR2004 - steps 1 and 4 of it: vector, key of 24, checksum of 8
        raise ValueError("not a wrapped key")
    outer = Cipher(TripleDES(wrapping_key), CBC(_TRIPLE_DES_WRAP_VECTOR)).decryptor()
    reversed_octets = (outer.update(wrapped) + outer.finalize())[::-1]
    inner = Cipher(TripleDES(wrapping_key), CBC(reversed_octets[:8])).decryptor()
    key_and_checksum = inner.update(reversed_octets[8:]) + inner.finalize()
    checksum = Hash(SHA1())  # noqa: S303 - the format's own
    checksum.update(key_and_checksum[:24])
    if not bytes_eq(checksum.finalize()[:8], key_and_checksum[24:]):
        raise ValueError("the checksum is wrong")
    return key_and_checksum[:24]
