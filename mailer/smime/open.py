"""Open EnvelopedData in DER (RFC 5652 section 6) with the recipient's key.

What comes out has been decrypted, not authenticated: CBC can be changed on the way. Only `verify` says who wrote it.

0. Bound the input.
1. Read ContentInfo and EnvelopedData.
2. Find the RecipientInfo that names one of the keys by issuer and serial number.
3. Unwrap the content key.
4. Decrypt the content and take off its padding.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from . import oids
from .certificates import cut
from .der import BIT_STRING, CONTEXT_0, CONTEXT_1, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, explicit, octet_string, sequence
from .errors import CannotDecrypt, MalformedCms, NotForThisKey, TooLarge, UnsupportedAlgorithm
from .reader import MAX_CMS, Reader

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_MAX_RECIPIENT_INFOS = 1000
_BLOCK = 16
_KEY_BYTES = {oids.AES_128_CBC: 16, oids.AES_256_CBC: 32}
_WRAP_BYTES = {oids.AES_128_WRAP: 16, oids.AES_256_WRAP: 32}


class Opener:
    """A private key and the DER certificate by which senders name it."""

    def __init__(self, key: PrivateKey, certificate: bytes) -> None:
        """Raises KeyRefused."""
        self.key = key
        self.issuer_and_serial = cut(certificate).issuer_and_serial


class _Transported(NamedTuple):
    """A KeyTransRecipientInfo."""

    algorithm: bytes
    encrypted_key: bytes


class _Agreed(NamedTuple):
    """A KeyAgreeRecipientInfo and the one encrypted key in it that is ours; `wrap` is the wrap algorithm as sent."""

    point: bytes
    material: bytes | None
    algorithm: bytes
    wrap: bytes
    encrypted_key: bytes


def open_envelope(envelope: bytes, openers: Sequence[Opener], *, max_size: int = MAX_CMS) -> bytes:
    """The decrypted content. Raises TooLarge, MalformedCms, UnsupportedAlgorithm, NotForThisKey, CannotDecrypt."""
    # Step 0.
    outer = Reader.of(envelope, max_size=max_size)
    # Step 1.
    info = outer.enter(SEQUENCE)
    if info.whole(OID) != oids.ENVELOPED_DATA:
        raise UnsupportedAlgorithm("not EnvelopedData")
    enveloped = info.enter(CONTEXT_0).enter(SEQUENCE)
    enveloped.contents(INTEGER)
    enveloped.skip(CONTEXT_0)
    infos = enveloped.enter(SET)
    encrypted = enveloped.enter(SEQUENCE)
    encrypted.whole(OID)
    cipher = encrypted.enter(SEQUENCE)
    cipher_name, vector = cipher.whole(OID), cipher.contents(OCTET_STRING)
    if cipher_name not in _KEY_BYTES or len(vector) != _BLOCK:
        raise UnsupportedAlgorithm("a content cipher that is not AES-CBC")
    content = encrypted.contents(0x80)
    # Step 2.
    opener, found = _find(infos, {opener.issuer_and_serial: opener for opener in openers})
    # Step 3.
    size = _KEY_BYTES[cipher_name]
    key = _transported(opener.key, found, size) if isinstance(found, _Transported) else _agreed(opener.key, found, size)
    # Step 4.
    return _decrypt(key, vector, content)


def _find(infos: Reader, openers: dict[bytes, Opener]) -> tuple[Opener, _Transported | _Agreed]:
    count = 0
    while infos.tag is not None:
        count += 1
        if count > _MAX_RECIPIENT_INFOS:
            raise TooLarge(f"more than {_MAX_RECIPIENT_INFOS} recipients")
        found: tuple[Opener, _Transported | _Agreed] | None = None
        if infos.tag == SEQUENCE:
            found = _read_transport(infos.enter(SEQUENCE), openers)
        elif infos.tag == CONTEXT_1:
            found = _read_agreement(infos.enter(CONTEXT_1), openers)
        else:
            infos.whole()  # by passwords, by keys shared beforehand: not a certificate's
        if found:
            return found
    raise NotForThisKey("none of the recipients is one of these keys")


def _read_transport(info: Reader, openers: dict[bytes, Opener]) -> tuple[Opener, _Transported] | None:
    info.contents(INTEGER)
    opener = openers.get(info.whole())
    algorithm = info.enter(SEQUENCE).whole(OID)
    encrypted_key = info.contents(OCTET_STRING)
    return (opener, _Transported(algorithm, encrypted_key)) if opener else None


def _read_agreement(info: Reader, openers: dict[bytes, Opener]) -> tuple[Opener, _Agreed] | None:
    info.contents(INTEGER)
    originator = info.enter(CONTEXT_0)
    if originator.tag != CONTEXT_1:
        return None  # a static originator, named by a certificate, whose agreement proves nothing here
    public_key = originator.enter(CONTEXT_1)
    public_key.whole(SEQUENCE)
    point = public_key.contents(BIT_STRING)
    material = info.enter(CONTEXT_1).contents(OCTET_STRING) if info.tag == CONTEXT_1 else None
    algorithms = info.enter(SEQUENCE)
    algorithm, wrap = algorithms.whole(OID), algorithms.whole(SEQUENCE)
    keys = info.enter(SEQUENCE)
    while keys.tag is not None:
        encrypted = keys.enter(SEQUENCE)
        opener = openers.get(encrypted.whole())
        encrypted_key = encrypted.contents(OCTET_STRING)
        if opener:
            return opener, _Agreed(point[1:], material, algorithm, wrap, encrypted_key)
    return None


def _transported(key: PrivateKey, sent: _Transported, size: int) -> bytes:
    """RSAES-PKCS1-v1_5. A key of the wrong shape becomes a random one, so that every failure is the content's (RFC 3218 section 2.3.2)."""
    if sent.algorithm != oids.RSA_ENCRYPTION_NAME or not isinstance(key, rsa.RSAPrivateKey):
        raise UnsupportedAlgorithm("a key transport that is not RSA PKCS#1 v1.5")
    stand_in = os.urandom(size)
    try:
        found = key.decrypt(sent.encrypted_key, padding.PKCS1v15())
    except ValueError:
        return stand_in
    return found if len(found) == size else stand_in


def _agreed(key: PrivateKey, sent: _Agreed, size: int) -> bytes:
    """stdDH-sha256kdf (RFC 5753 section 7.2, X9.63), then AES key wrap (RFC 3394)."""
    if sent.algorithm != oids.ECDH_STD_SHA256_KDF or not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnsupportedAlgorithm("a key agreement that is not stdDH-sha256kdf")
    wrap = Reader.of(sent.wrap).enter(SEQUENCE)
    wrap_bytes = _WRAP_BYTES.get(wrap.whole(OID))
    if wrap_bytes is None or (wrap.tag is not None and wrap.whole() != NULL):
        raise UnsupportedAlgorithm("a key wrap that is not AES")
    material = explicit(0, octet_string(sent.material)) if sent.material is not None else b""
    shared_info = sequence(sent.wrap, material, explicit(2, octet_string((wrap_bytes * 8).to_bytes(4, "big"))))
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, sent.point)
        shared = key.exchange(ec.ECDH(), point)
        wrapping_key = sha256(shared + b"\x00\x00\x00\x01" + shared_info).digest()[:wrap_bytes]
        found = keywrap.aes_key_unwrap(wrapping_key, sent.encrypted_key)
    except (ValueError, keywrap.InvalidUnwrap) as error:
        raise CannotDecrypt("the content key cannot be unwrapped") from error
    if len(found) != size:
        raise CannotDecrypt("the content key cannot be unwrapped")
    return found


def _decrypt(key: bytes, vector: bytes, content: bytes) -> bytes:
    if not content or len(content) % _BLOCK:
        raise MalformedCms("the content is not whole blocks")
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    padded = decryptor.update(content) + decryptor.finalize()
    unpadder = PKCS7(_BLOCK * 8).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise CannotDecrypt("the content cannot be decrypted") from error
