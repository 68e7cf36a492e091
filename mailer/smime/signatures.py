"""Is a signature value the key's? RSA PKCS#1 v1.5 and PSS, ECDSA, Ed25519, and DSA to tell an old signature from a wrong one.

A digest or key below today's strength is `weak`: it may hold, and never counts as good.
"""

from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from . import foreign, oids
from .der import SEQUENCE, oid
from .errors import LegacyAlgorithm, MalformedCms, UnsupportedAlgorithm
from .foreign import DIGESTS, GONE_DIGESTS, SHA1, SIGNATURES, WEAK_DIGESTS
from .reader import Algorithm, Reader

_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 8192
_LEAST_EC_BITS = 224
_MOST_EXPONENT_BITS = 64
_MOST_SALT = 512
_TRAILER_BC = 1
_DSA_KEY = oid("1.2.840.10040.4.1")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | dsa.DSAPublicKey


class Scheme(NamedTuple):
    """A signature algorithm as it was sent; `holds` says for a value and the signed octets whether they fit the key."""

    holds: Callable[[bytes, bytes], bool]
    weak: bool


def load_key(spki: bytes) -> PublicKey:
    """A public key that is cheap enough to use. Raises UnsupportedAlgorithm, LegacyAlgorithm."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedKey) as error:
        if _DSA_KEY in spki[:32]:
            raise LegacyAlgorithm("a DSA key without its parameters") from error
        raise UnsupportedAlgorithm("a public key that is not read here") from error
    if isinstance(key, rsa.RSAPublicKey):
        # A huge modulus or exponent costs seconds.
        if key.key_size > _MOST_RSA_BITS or key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
            raise UnsupportedAlgorithm("an RSA key that is too large")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | dsa.DSAPublicKey):
        return key
    raise UnsupportedAlgorithm("a kind of key that does not sign mail here")


def scheme_of(key: PublicKey, digest_name: bytes, algorithm: bytes) -> Scheme | None:
    """How to check; None where digest and signature algorithm contradict each other. Raises MalformedCms, UnsupportedAlgorithm, LegacyAlgorithm."""
    sent = Algorithm(algorithm)
    family, named = SIGNATURES.get(sent.name, (None, None))
    if family is None:
        raise UnsupportedAlgorithm("a signature algorithm that is not read here")
    if digest_name in GONE_DIGESTS:
        raise LegacyAlgorithm("a digest that is no longer computed")
    digest = DIGESTS.get(digest_name)
    if digest is None:
        raise UnsupportedAlgorithm("a digest that is not read here")
    if named is not None and named != digest_name:
        return None
    weak = digest_name in WEAK_DIGESTS
    if isinstance(key, rsa.RSAPublicKey) and family in {foreign.PKCS1, foreign.PSS}:
        return _rsa(key, sent, digest_name, weak=weak or key.key_size < _LEAST_RSA_BITS)
    if isinstance(key, ec.EllipticCurvePublicKey) and family == foreign.ECDSA:
        return Scheme(_quietly(lambda value, over: key.verify(value, over, ec.ECDSA(digest))), weak or key.key_size < _LEAST_EC_BITS)
    if isinstance(key, dsa.DSAPublicKey) and family == foreign.DSA:
        return Scheme(_quietly(lambda value, over: key.verify(value, over, digest)), weak=True)
    if isinstance(key, ed25519.Ed25519PublicKey) and family == foreign.ED25519:
        return Scheme(_quietly(key.verify), weak)
    raise UnsupportedAlgorithm("a signature algorithm that is not for this key")


def _quietly(verify: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], bool]:
    def holds(value: bytes, over: bytes) -> bool:
        try:
            verify(value, over)
        except (InvalidSignature, ValueError):
            return False
        except UnsupportedKey as error:
            raise UnsupportedAlgorithm("a signature that is not computed here") from error
        return True

    return holds


def _rsa(key: rsa.RSAPublicKey, sent: Algorithm, digest_name: bytes, *, weak: bool) -> Scheme | None:
    digest = DIGESTS[digest_name]
    if sent.name != oids.RSASSA_PSS_NAME:
        return Scheme(_quietly(lambda value, over: key.verify(value, over, padding.PKCS1v15(), digest)), weak)
    parameters = _pss(sent)
    if parameters.digest_name != digest_name:  # RFC 4056 section 3
        return None
    scheme = padding.PSS(padding.MGF1(parameters.mask), parameters.salt)
    return Scheme(_quietly(lambda value, over: key.verify(value, over, scheme, digest)), weak)


class _Pss(NamedTuple):
    digest_name: bytes
    mask: hashes.HashAlgorithm
    salt: int


def _pss(sent: Algorithm) -> _Pss:
    """RSASSA-PSS-params, each absent one at its default of SHA-1, MGF1 with SHA-1 and a salt of 20 (RFC 4055 section 3.1)."""
    if sent.parameters is None:
        raise MalformedCms("PSS without parameters")
    reader = Reader.of(sent.parameters).enter(SEQUENCE)
    chosen = reader.entered(0xA0)
    digest_name = Algorithm(chosen.whole(SEQUENCE)).name if chosen else SHA1
    mask_name, generation = SHA1, reader.entered(0xA1)
    if generation:
        generator = Algorithm(generation.whole(SEQUENCE))
        if generator.name != oids.MGF1_NAME or generator.parameters is None:
            raise UnsupportedAlgorithm("a mask generation that is not MGF1")
        mask_name = Algorithm(generator.parameters).name
    salted = reader.entered(0xA2)
    salt = salted.number() if salted else 20
    trailed = reader.entered(0xA3)
    trailer = trailed.number() if trailed else _TRAILER_BC
    reader.close()
    mask = DIGESTS.get(mask_name)
    if mask is None or not 0 <= salt <= _MOST_SALT or trailer != _TRAILER_BC:
        raise UnsupportedAlgorithm("PSS parameters that are not read here")
    return _Pss(digest_name, mask, salt)
