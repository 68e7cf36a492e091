"""Who signed this? Detached signatures in multipart/signed, with a named outcome for every case.

0. Cut the signed octets and the CMS, under limits.
1. Read SignedData with its one SignerInfo.
2. Find the signer's certificate by issuer and serial number.
3. The digest of the octets is the one that was signed, and the signed attributes are consistent (RFC 5652 section 11, RFC 5035).
4. The signature is the key's.
5. The certificate may sign mail, is valid at the time, and leads to a root.
6. The sender is one of the certificate's addresses.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as UnsupportedKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from . import oids, parts
from .certificates import cut
from .chain import leads_to, may_sign_mail
from .der import CONTEXT_0, CONTEXT_1, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, length
from .errors import KeyRefused, MalformedCms, TooLarge, UnsupportedAlgorithm
from .reader import Reader

_MAX_CERTIFICATES = 50
_DIGESTS = {oids.SHA256_NAME: hashes.SHA256(), oids.SHA384_NAME: hashes.SHA384(), oids.SHA512_NAME: hashes.SHA512()}
_RSA = {
    oids.SHA256_WITH_RSA_NAME: oids.SHA256_NAME,
    oids.SHA384_WITH_RSA_NAME: oids.SHA384_NAME,
    oids.SHA512_WITH_RSA_NAME: oids.SHA512_NAME,
}
_ECDSA = {
    oids.ECDSA_WITH_SHA256_NAME: oids.SHA256_NAME,
    oids.ECDSA_WITH_SHA384_NAME: oids.SHA384_NAME,
    oids.ECDSA_WITH_SHA512_NAME: oids.SHA512_NAME,
}


class Outcome(StrEnum):
    VERIFIED = "verified"
    NOT_SIGNED = "not_signed"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    NO_SIGNER_CERTIFICATE = "no_signer_certificate"
    CONTENT_CHANGED = "content_changed"
    ATTRIBUTES_WRONG = "attributes_wrong"
    SIGNATURE_WRONG = "signature_wrong"
    WRONG_USAGE = "wrong_usage"
    NOT_VALID_THEN = "not_valid_then"
    UNTRUSTED = "untrusted"
    OTHER_SENDER = "other_sender"


class Verification(NamedTuple):
    """`content` is the signed entity and `certificate` the signer's DER as far as they could be read; trust them only if `verified`."""

    outcome: Outcome
    content: bytes = b""
    certificate: bytes = b""

    @property
    def verified(self) -> bool:
        return self.outcome is Outcome.VERIFIED


class _Signature(NamedTuple):
    certificates: list[bytes]
    signer: bytes
    digest: bytes
    attributes: bytes | None
    algorithm: bytes
    value: bytes


def verify(entity: bytes, *, roots: Sequence[bytes], at: datetime, sender: str | None = None) -> Verification:
    """The verdict on a multipart/signed entity. `roots` are DER; `sender` is the From address that the signer must have. Raises nothing."""
    try:
        # Step 0.
        cut_out = parts.signed(entity)
        if cut_out is None:
            return Verification(Outcome.NOT_SIGNED)
        content, cms = cut_out
        return _judge(content, cms, [x509.load_der_x509_certificate(root) for root in roots], at=at, sender=sender)
    except (MalformedCms, KeyRefused, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return Verification(Outcome.MALFORMED)
    except TooLarge:
        return Verification(Outcome.TOO_LARGE)
    except (UnsupportedAlgorithm, UnsupportedKey):
        return Verification(Outcome.UNSUPPORTED)


def _judge(content: bytes, cms: bytes, roots: Sequence[x509.Certificate], *, at: datetime, sender: str | None) -> Verification:
    # Step 1.
    signature = _read(cms)
    # Step 2.
    certificates = {cut(certificate).issuer_and_serial: certificate for certificate in signature.certificates}
    signer = certificates.get(signature.signer)
    if signer is None:
        return Verification(Outcome.NO_SIGNER_CERTIFICATE, content)
    leaf, *others = (x509.load_der_x509_certificate(der) for der in (signer, *certificates.values()))
    outcome = _check_signature(content, signature, leaf, signer) or _check_certificate(leaf, others, roots, at=at, sender=sender)
    return Verification(outcome or Outcome.VERIFIED, content, signer)


def _read(cms: bytes) -> _Signature:
    info = Reader.of(cms).enter(SEQUENCE)
    if info.whole(OID) != oids.SIGNED_DATA:
        raise UnsupportedAlgorithm("not SignedData")
    signed = info.enter(CONTEXT_0).enter(SEQUENCE)
    signed.contents(INTEGER)
    signed.whole(SET)
    encapsulated = signed.enter(SEQUENCE)
    if encapsulated.whole(OID) != oids.DATA or encapsulated.tag is not None:
        raise UnsupportedAlgorithm("not a detached signature of data")
    certificates = []
    if signed.tag == CONTEXT_0:
        listed = signed.enter(CONTEXT_0)
        while listed.tag is not None:
            certificates.append(listed.whole())
            if len(certificates) > _MAX_CERTIFICATES:
                raise TooLarge(f"more than {_MAX_CERTIFICATES} certificates")
    signed.skip(CONTEXT_1)
    infos = signed.enter(SET)
    signer = infos.enter(SEQUENCE)
    if infos.tag is not None:
        raise UnsupportedAlgorithm("more than one signer")
    signer.contents(INTEGER)
    if signer.tag != SEQUENCE:
        raise UnsupportedAlgorithm("a signer that is not named by issuer and serial number")
    name = signer.whole(SEQUENCE)
    digest = signer.enter(SEQUENCE).whole(OID)
    attributes = signer.contents(CONTEXT_0) if signer.tag == CONTEXT_0 else None
    algorithm = signer.enter(SEQUENCE)
    algorithm_name = algorithm.whole(OID)
    if algorithm.tag is not None and algorithm.whole() != NULL:
        raise UnsupportedAlgorithm("a signature with parameters")
    return _Signature(certificates, name, digest, attributes, algorithm_name, signer.contents(OCTET_STRING))


def _check_signature(content: bytes, signature: _Signature, leaf: x509.Certificate, signer: bytes) -> Outcome | None:
    algorithm = _DIGESTS.get(signature.digest)
    if algorithm is None:
        raise UnsupportedAlgorithm("a digest that is not SHA-2")
    # Step 3.
    over = content
    if signature.attributes is not None:
        outcome = _check_attributes(signature.attributes, hashlib.new(algorithm.name, content).digest(), signer)
        if outcome:
            return outcome
        over = b"\x31" + length(len(signature.attributes)) + signature.attributes
    # Step 4.
    key = leaf.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey) and signature.algorithm in {oids.RSA_ENCRYPTION_NAME, *_RSA}:
            if _RSA.get(signature.algorithm, signature.digest) != signature.digest:
                return Outcome.ATTRIBUTES_WRONG
            key.verify(signature.value, over, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signature.algorithm in _ECDSA:
            if _ECDSA[signature.algorithm] != signature.digest:
                return Outcome.ATTRIBUTES_WRONG
            key.verify(signature.value, over, ec.ECDSA(algorithm))
        else:
            raise UnsupportedAlgorithm("a signature that is neither RSA PKCS#1 v1.5 nor ECDSA, or not for this key")
    except InvalidSignature:
        return Outcome.SIGNATURE_WRONG
    return None


def _check_attributes(attributes: bytes, digest: bytes, signer: bytes) -> Outcome | None:
    values: dict[bytes, bytes] = {}
    reader = Reader(attributes, 0, len(attributes))
    while reader.tag is not None:
        attribute = reader.enter(SEQUENCE)
        name = attribute.whole(OID)
        if name in values:
            return Outcome.ATTRIBUTES_WRONG
        values[name] = attribute.contents(SET)
    if values.get(oids.CONTENT_TYPE) != oids.DATA or oids.MESSAGE_DIGEST not in values:
        return Outcome.ATTRIBUTES_WRONG
    sent = Reader.of(values[oids.MESSAGE_DIGEST]).contents(OCTET_STRING)
    if sent != digest:
        return Outcome.CONTENT_CHANGED
    identified = values.get(oids.SIGNING_CERTIFICATE_V2)
    return None if identified is None or _identifies(identified, signer) else Outcome.ATTRIBUTES_WRONG


def _identifies(signing_certificate: bytes, signer: bytes) -> bool:
    """The first ESSCertIDv2 is of the certificate that verifies (RFC 5035 section 5.4). Its hash is SHA-256 unless named."""
    first = Reader.of(signing_certificate).enter(SEQUENCE).enter(SEQUENCE).enter(SEQUENCE)
    algorithm = _DIGESTS.get(first.enter(SEQUENCE).whole(OID)) if first.tag == SEQUENCE else hashes.SHA256()
    if algorithm is None:
        raise UnsupportedAlgorithm("a digest that is not SHA-2")
    return first.contents(OCTET_STRING) == hashlib.new(algorithm.name, signer).digest()


def _check_certificate(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], *, at: datetime, sender: str | None
) -> Outcome | None:
    # Step 5.
    if not may_sign_mail(leaf):
        return Outcome.WRONG_USAGE
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        return Outcome.NOT_VALID_THEN
    if not leads_to(roots, leaf, others, at=at):
        return Outcome.UNTRUSTED
    # Step 6.
    if sender is not None and _matched(sender) not in {_matched(address) for address in _addresses(leaf)}:
        return Outcome.OTHER_SENDER
    return None


def _addresses(leaf: x509.Certificate) -> list[str]:
    """rfc822Names, or only where there is none the subject's emailAddress (RFC 8550 section 3)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.RFC822Name)
    except x509.ExtensionNotFound:
        names = []
    return names or [str(attribute.value) for attribute in leaf.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)]


def _matched(address: str) -> str:
    return address.casefold()
