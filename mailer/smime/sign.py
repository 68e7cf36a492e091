"""Detached SignedData in multipart/signed (RFC 8551 section 3.5.3), written from prepared parts.

Everything but the digest, the time and the signature is encoded once, when the signer is made.
"""

import binascii
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import oids
from .certificates import cut
from .choice import kind
from .der import GENERALIZED_TIME, SET, UTC_TIME, explicit, integer, length, octet_string, sequence, tlv
from .encoding import base64_lines
from .errors import KeyRefused

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_PREHASHED = Prehashed(hashes.SHA256())
_ECDSA = ec.ECDSA(_PREHASHED)
_PKCS1 = padding.PKCS1v15()
_DIGEST_BYTES = 32
_TIME_BYTES = {UTC_TIME: len("yymmddHHMMSSZ"), GENERALIZED_TIME: len("yyyymmddHHMMSSZ")}
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5652 section 11.3

_SIGNED_HEAD = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n micalg=sha-256; boundary="'
_SIGNATURE_HEAD = (
    b'\r\nContent-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n'
)


def _attribute(name: bytes, value: bytes) -> bytes:
    return sequence(name, tlv(SET, value))


class _Template:
    """A whole signature with three places left open: the time and the digest among the signed attributes, and the signature itself.

    The attributes stand in DER order, which signing and the wire share.
    """

    def __init__(self, certificate: bytes, before: bytes, info_head: bytes, algorithm: bytes, time_tag: int) -> None:
        time, digest = os.urandom(_TIME_BYTES[time_tag]), os.urandom(_DIGEST_BYTES)
        capabilities = sequence(sequence(oids.AES_256_CBC), sequence(oids.AES_128_CBC))
        # ESSCertIDv2 by SHA-256, the default, which DER leaves out (RFC 5035 section 4).
        identified = sequence(sequence(sequence(octet_string(sha256(certificate).digest()))))
        attributes = b"".join(
            sorted(
                (
                    _attribute(oids.CONTENT_TYPE, oids.DATA),
                    _attribute(oids.SIGNING_TIME, tlv(time_tag, time)),
                    _attribute(oids.MESSAGE_DIGEST, octet_string(digest)),
                    _attribute(oids.SMIME_CAPABILITIES, capabilities),
                    _attribute(oids.SIGNING_CERTIFICATE_V2, identified),
                )
            )
        )
        # Object identifiers and lengths decide the order before the open places are reached, so the template holds for every message.
        self._head, rest = attributes.split(time)
        self._middle, self._tail = rest.split(digest)
        self.set_head = b"\x31" + length(len(attributes))
        self._size = len(attributes)
        self._before, self._info_head, self._algorithm = before, info_head + b"\xa0" + length(len(attributes)), algorithm
        self._frames: dict[int, tuple[bytes, bytes]] = {}

    def attributes(self, time: bytes, digest: bytes) -> bytes:
        return b"".join((self._head, time, self._middle, digest, self._tail))

    def close(self, attributes: bytes, signature: bytes) -> bytes:
        """ContentInfo around SignedData. ECDSA's signatures have one of a few lengths, on which all the lengths around them depend."""
        frame = self._frames.get(len(signature))
        if frame is None:
            frame = self._frames[len(signature)] = self._frame(len(signature))
        return b"".join((frame[0], attributes, frame[1], signature))

    def _frame(self, size: int) -> tuple[bytes, bytes]:
        after = self._algorithm + octet_string(bytes(size))
        info = sequence(self._info_head, bytes(self._size), after)
        whole = sequence(oids.SIGNED_DATA, explicit(0, sequence(self._before, tlv(SET, info))))
        return whole[: -self._size - len(after)], after[:-size]


class Signer:
    """A key with its certificate (DER) and the intermediates (DER) that lead to, but do not include, the root."""

    def __init__(self, key: SigningKey, certificate: bytes, chain: Sequence[bytes] = ()) -> None:
        """Raises KeyRefused for a key that is not RSA, P-256 or P-384, or is not the certificate's."""
        kind(key.public_key())
        issuer_and_serial, spki = cut(certificate)
        if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise KeyRefused("the certificate is for another key")
        self._key = key
        certificates = explicit(0, *sorted({certificate, *chain}))
        # Version 1: every signer is named by issuer and serial number, every certificate is an X.509 one (RFC 5652 section 5.1).
        before = b"".join((integer(1), tlv(SET, oids.SHA256), sequence(oids.DATA), certificates))
        info_head = b"".join((integer(1), issuer_and_serial, oids.SHA256))
        algorithm = oids.RSA_ENCRYPTION if isinstance(key, rsa.RSAPrivateKey) else oids.ECDSA_WITH_SHA256
        self._utc, self._generalized = (_Template(certificate, before, info_head, algorithm, tag) for tag in (UTC_TIME, GENERALIZED_TIME))

    def signature(self, entity: bytes, *, at: datetime) -> bytes:
        """ContentInfo in DER with the detached signature of a canonical (CRLF) MIME entity. Raises ValueError for a time without a zone."""
        if at.tzinfo is None:
            raise ValueError("the signing time has no time zone")
        utc = at.astimezone(UTC)
        if utc.year < _FIRST_GENERALIZED_YEAR:
            template, time = self._utc, utc.strftime("%y%m%d%H%M%SZ").encode()
        else:
            template, time = self._generalized, utc.strftime("%Y%m%d%H%M%SZ").encode()
        attributes = template.attributes(time, sha256(entity).digest())
        # Signed as the SET OF that they are, sent under the context tag (RFC 5652 section 5.4).
        to_sign = sha256(template.set_head + attributes).digest()
        key = self._key
        signature = key.sign(to_sign, _PKCS1, _PREHASHED) if isinstance(key, rsa.RSAPrivateKey) else key.sign(to_sign, _ECDSA)
        return template.close(attributes, signature)

    def sign(self, entity: bytes, *, at: datetime) -> bytes:
        """A multipart/signed entity around a canonical (CRLF) MIME entity."""
        boundary = b"=_" + binascii.hexlify(os.urandom(16))
        return b"".join((
            _SIGNED_HEAD, boundary, b'"\r\n\r\n--', boundary, b"\r\n", entity, b"\r\n--", boundary,
            _SIGNATURE_HEAD, base64_lines(self.signature(entity, at=at)), b"--", boundary, b"--\r\n",
        ))  # fmt: skip
