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
from .der import GENERALIZED_TIME, SET, UTC_TIME, explicit, integer, length, octet_string, sequence, set_of, tlv
from .encoding import base64_lines
from .errors import KeyRefused

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_PREHASHED = Prehashed(hashes.SHA256())
_ECDSA = ec.ECDSA(_PREHASHED)
_PKCS1 = padding.PKCS1v15()
_DIGEST_BYTES = 32
_FIRST_GENERALIZED_YEAR = 2050  # RFC 5652 section 11.3

_SIGNED_HEAD = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n micalg=sha-256; boundary="'
_SIGNATURE_HEAD = (
    b'\r\nContent-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n'
)


def _attribute(name: bytes, value: bytes) -> bytes:
    return sequence(name, tlv(SET, value))


class _Attributes:
    """The signed attributes as a template: DER order (which signing and the wire share) with two places left open."""

    def __init__(self, certificate: bytes, time_tag: int, time_size: int) -> None:
        time, digest = os.urandom(time_size), os.urandom(_DIGEST_BYTES)
        capabilities = sequence(sequence(oids.AES_256_CBC), sequence(oids.AES_128_CBC))
        # ESSCertIDv2 by SHA-256, the default, which DER leaves out (RFC 5035 section 4).
        identified = sequence(sequence(sequence(octet_string(sha256(certificate).digest()))))
        template = b"".join(
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
        self._head, rest = template.split(time)
        self._middle, self._tail = rest.split(digest)
        self.size = length(len(template))

    def fill(self, time: bytes, digest: bytes) -> bytes:
        return b"".join((self._head, time, self._middle, digest, self._tail))


class Signer:
    """A key with its certificate (DER) and the intermediates (DER) that lead to, but do not include, the root."""

    def __init__(self, key: SigningKey, certificate: bytes, chain: Sequence[bytes] = ()) -> None:
        """Raises KeyRefused for a key that is not RSA, P-256 or P-384, or is not the certificate's."""
        kind(key.public_key())
        issuer_and_serial, spki = cut(certificate)
        if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise KeyRefused("the certificate is for another key")
        self._key = key
        self._utc = _Attributes(certificate, UTC_TIME, len("yymmddHHMMSSZ"))
        self._generalized = _Attributes(certificate, GENERALIZED_TIME, len("yyyymmddHHMMSSZ"))
        certificates = explicit(0, *sorted({certificate, *chain}))
        # Version 1: every signer is named by issuer and serial number, every certificate is an X.509 one (RFC 5652 section 5.1).
        self._head = b"".join((integer(1), tlv(SET, oids.SHA256), sequence(oids.DATA), certificates))
        self._info_head = b"".join((integer(1), issuer_and_serial, oids.SHA256))
        self._algorithm = oids.RSA_ENCRYPTION if isinstance(key, rsa.RSAPrivateKey) else oids.ECDSA_WITH_SHA256

    def signature(self, entity: bytes, *, at: datetime) -> bytes:
        """ContentInfo in DER with the detached signature of a canonical (CRLF) MIME entity."""
        utc = at.astimezone(UTC)
        time = utc.strftime("%Y%m%d%H%M%SZ").encode()
        generalized = utc.year >= _FIRST_GENERALIZED_YEAR
        digest = sha256(entity).digest()
        attributes = self._generalized if generalized else self._utc
        signed = attributes.fill(time if generalized else time[2:], digest)
        # Signed as the SET OF that they are, sent under the context tag (RFC 5652 section 5.4).
        to_sign = sha256(b"".join((b"\x31", attributes.size, signed))).digest()
        key = self._key
        signature = key.sign(to_sign, _PKCS1, _PREHASHED) if isinstance(key, rsa.RSAPrivateKey) else key.sign(to_sign, _ECDSA)
        info = sequence(self._info_head, b"\xa0", attributes.size, signed, self._algorithm, octet_string(signature))
        return sequence(oids.SIGNED_DATA, explicit(0, sequence(self._head, set_of([info]))))

    def sign(self, entity: bytes, *, at: datetime) -> bytes:
        """A multipart/signed entity around a canonical (CRLF) MIME entity."""
        boundary = b"=_" + binascii.hexlify(os.urandom(16))
        return b"".join((
            _SIGNED_HEAD, boundary, b'"\r\n\r\n--', boundary, b"\r\n", entity, b"\r\n--", boundary,
            _SIGNATURE_HEAD, base64_lines(self.signature(entity, at=at)), b"--", boundary, b"--\r\n",
        ))  # fmt: skip
