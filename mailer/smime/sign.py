"""Signing a MIME entity: multipart/signed (RFC 8551 section 3.5.3) or opaque application/pkcs7-mime (section 3.5.2)."""

import binascii
import hashlib
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256, sha384
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import oids
from .certificates import cut
from .choice import kind
from .der import GENERALIZED_TIME, UTC_TIME
from .encoding import base64_lines
from .errors import KeyRefused
from .signing_templates import SignedAttributes, SignedData

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# From a signature's value to the DER of a TimeStampToken over it (RFC 3161 appendix A).
Stamp = Callable[[bytes], bytes]

_HASH = hashes.SHA256()
_PREHASHED = Prehashed(_HASH)
_FIRST_GENERALIZED_YEAR = 2050

_SIGNED_HEAD = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n micalg=%s; boundary="'
_SIGNATURE_HEAD = (
    b'\r\nContent-Type: application/pkcs7-signature; name="smime.p7s"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="smime.p7s"\r\n\r\n'
)
_OPAQUE_HEAD = (
    b'Content-Type: application/pkcs7-mime; smime-type=signed-data;\r\n name="smime.p7m"\r\nContent-Transfer-Encoding: base64\r\n'
    b'Content-Disposition: attachment; filename="smime.p7m"\r\n\r\n'
)


class SignaturePadding(StrEnum):
    """How an RSA key signs; PSS with SHA-256, MGF1 by SHA-256 and a salt of 32 bytes (RFC 4056). Without meaning for an EC key."""

    PKCS1 = "pkcs1-v1.5"
    PSS = "pss"


class SignatureForm(StrEnum):
    """Whether the content stands beside the signature, readable by every program, or within it."""

    DETACHED = "detached"
    OPAQUE = "opaque"


_PADDINGS = {
    SignaturePadding.PKCS1: (oids.RSA_ENCRYPTION, padding.PKCS1v15()),
    SignaturePadding.PSS: (oids.RSASSA_PSS_SHA256, padding.PSS(padding.MGF1(_HASH), _HASH.digest_size)),
}


class _Digest(NamedTuple):
    """What a signature is over; `micalg` is its name in MIME (RFC 8551 section 3.5.3.2)."""

    of: Callable[[bytes], "hashlib._Hash"]
    size: int
    algorithm: bytes
    micalg: bytes


_SHA256 = _Digest(sha256, 32, oids.SHA256, b"sha-256")
# gpgsm calls no signature good whose digest is shorter than the curve.
_ECDSA = {
    "P-256": (_SHA256, oids.ECDSA_WITH_SHA256, ec.ECDSA(_PREHASHED)),
    "P-384": (_Digest(sha384, 48, oids.SHA384, b"sha-384"), oids.ECDSA_WITH_SHA384, ec.ECDSA(Prehashed(hashes.SHA384()))),
}


def _means(key: SigningKey, padding: SignaturePadding) -> tuple[_Digest, bytes, Callable[[bytes], bytes]]:
    """The digest that suits a key, the signature's AlgorithmIdentifier, and what makes its value from a digest."""
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm, scheme = _PADDINGS[padding]
        return _SHA256, algorithm, lambda digest: key.sign(digest, scheme, _PREHASHED)
    digest, algorithm, ecdsa = _ECDSA[kind(key.public_key())]
    return digest, algorithm, lambda digest: key.sign(digest, ecdsa)


class Signer:
    """A key with its certificate and the intermediates (all DER) that lead to, but do not include, the root."""

    def __init__(
        self, key: SigningKey, certificate_der: bytes, chain: Sequence[bytes] = (), *, padding: SignaturePadding = SignaturePadding.PKCS1
    ) -> None:
        """Raises KeyRefused for a key that is not RSA, P-256 or P-384, or is not the certificate's."""
        kind(key.public_key())
        issuer_and_serial, spki = cut(certificate_der)
        if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise KeyRefused("the certificate is for another key")
        self._digest, algorithm, self._value = _means(key, padding)
        self._signed_data = SignedData(
            certificates=b"".join(sorted({certificate_der, *chain})),
            issuer_and_serial=issuer_and_serial,
            digest=self._digest.algorithm,
            algorithm=algorithm,
        )
        self._head = _SIGNED_HEAD % self._digest.micalg
        self._utc = SignedAttributes(certificate_der, UTC_TIME, len("yymmddHHMMSSZ"), self._digest.size)
        self._generalized = SignedAttributes(certificate_der, GENERALIZED_TIME, len("yyyymmddHHMMSSZ"), self._digest.size)
        self._last: tuple[datetime, SignedAttributes, bytes] | None = None

    def signature(
        self,
        entity: bytes,
        *,
        at: datetime,
        form: SignatureForm = SignatureForm.DETACHED,
        ocsp: bytes | None = None,
        stamp: Stamp | None = None,
    ) -> bytes:
        """ContentInfo in DER with the signature of a canonical (CRLF) MIME entity.

        `ocsp` is an OCSPResponse on the signer's certificate, embedded as `revocation_values` says. Raises ValueError for a time without a zone,
        MalformedCms and TooLarge for an answer or a time stamp that is not DER or is over 64 KB, and whatever `stamp` raises.
        """
        prepared, time = self._prepared_for(at)
        attributes = prepared.of(time, self._digest.of(entity).digest())
        # Signed as the SET OF that they are, sent under the context tag (RFC 5652 section 5.4).
        value = self._value(self._digest.of(prepared.set_head + attributes).digest())
        if form is SignatureForm.DETACHED and ocsp is None and stamp is None:
            return self._signed_data.detached(attributes, value)
        return self._signed_data.complete(
            attributes,
            value,
            content=entity if form is SignatureForm.OPAQUE else None,
            ocsp=ocsp,
            stamp=stamp(value) if stamp else None,
        )

    def _prepared_for(self, at: datetime) -> tuple[SignedAttributes, bytes]:
        """The attributes with the form of time that they take (RFC 5652 section 11.3), kept for the messages of the same moment."""
        last = self._last
        if last is not None and last[0] == at:
            return last[1], last[2]
        if at.tzinfo is None:
            raise ValueError("the signing time has no time zone")
        utc = at.astimezone(UTC)
        if utc.year < _FIRST_GENERALIZED_YEAR:
            prepared, time = self._utc, utc.strftime("%y%m%d%H%M%SZ").encode()
        else:
            prepared, time = self._generalized, utc.strftime("%Y%m%d%H%M%SZ").encode()
        self._last = at, prepared, time
        return prepared, time

    def sign(
        self,
        entity: bytes,
        *,
        at: datetime,
        form: SignatureForm = SignatureForm.DETACHED,
        ocsp: bytes | None = None,
        stamp: Stamp | None = None,
    ) -> bytes:
        """The entity (canonical, CRLF) inside a signed one; arguments and errors as those of `signature`."""
        der = self.signature(entity, at=at, form=form, ocsp=ocsp, stamp=stamp)
        if form is SignatureForm.OPAQUE:
            return _OPAQUE_HEAD + base64_lines(der)
        boundary = b"=_" + binascii.hexlify(os.urandom(16))
        return b"".join((
            self._head, boundary, b'"\r\n\r\n--', boundary, b"\r\n", entity, b"\r\n--", boundary,
            _SIGNATURE_HEAD, base64_lines(der), b"--", boundary, b"--\r\n",
        ))  # fmt: skip
