"""What a SignedData says (RFC 5652 section 5), read as plain octets, before anything in it is believed."""

from typing import NamedTuple

from . import der, oids
from .certificates import MAX_CERTIFICATE
from .der import CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, OID, SEQUENCE, SET
from .envelopes import SUBJECT_KEY_IDENTIFIER, issuer_and_serial, key_identifier
from .errors import MalformedCms, TooLarge, UnsupportedAlgorithm
from .reader import MAX_CMS, Algorithm, Reader
from .revocation_values import ocsp_in

MAX_CERTIFICATES = 50
MAX_SIGNERS = 16
MAX_REVOCATION_ANSWERS = 20
MAX_ATTRIBUTES = 64
_UNSIGNED = 0xA1
_OCTET_STRINGS = 0x24  # constructed: in several pieces
_OTHER_REVOCATION_FORMAT = 0xA1


class SignerInfo(NamedTuple):
    """A SignerInfo; `name` as a recipient's (see `envelopes`), the attributes as encodings in the order sent, None if there are none."""

    name: bytes
    digest: bytes
    attributes: list[bytes] | None
    algorithm: bytes
    value: bytes
    unsigned: list[bytes]


class SignedData(NamedTuple):
    """`content` is None where it is detached; certificates, CRLs and OCSPResponses are whole encodings."""

    content_type: bytes
    content: bytes | None
    certificates: list[bytes]
    crls: list[bytes]
    ocsp: list[bytes]
    signers: list[SignerInfo]


def read(cms: bytes, *, max_size: int = MAX_CMS) -> SignedData:
    """Raises TooLarge, MalformedCms, UnsupportedAlgorithm.

    1. ContentInfo says that it is SignedData.
    2. The encapsulated content, if it is not detached.
    3. Certificates and revocation answers.
    4. The signers.
    """
    # Step 1.
    info = Reader.of(cms, max_size=max_size).enter(SEQUENCE)
    if info.whole(OID) != oids.SIGNED_DATA:
        raise UnsupportedAlgorithm("not SignedData")
    signed = info.enter(CONTEXT_0).enter(SEQUENCE)
    signed.contents(INTEGER)
    signed.whole(SET)
    # Step 2.
    encapsulated = signed.enter(SEQUENCE)
    content_type = encapsulated.whole(OID)
    wrapped = encapsulated.entered(CONTEXT_0)
    content = None
    if wrapped and wrapped.tag is not None:
        # PKCS#7 1.5 wraps other types than data bare: what is signed are the contents without their head (RFC 5652 section 5.2.1).
        bare = content_type != oids.DATA and wrapped.tag not in {OCTET_STRING, _OCTET_STRINGS}
        content = wrapped.contents(wrapped.tag) if bare else wrapped.octets()
    # Step 3.
    certificates = _read_certificates(signed.enter(CONTEXT_0)) if signed.tag == CONTEXT_0 else []
    crls, ocsp = _read_revocation(signed.enter(CONTEXT_1)) if signed.tag == CONTEXT_1 else ([], [])
    # Step 4.
    signers = _read_signers(signed.enter(SET))
    return SignedData(content_type, content, certificates, crls, [*ocsp, *_unsigned_ocsp(signers)], signers)


def _read_certificates(listed: Reader) -> list[bytes]:
    """X.509 certificates alone: attribute certificates and other formats say nothing here."""
    found = []
    seen = 0
    while listed.tag is not None:
        seen += 1
        if seen > MAX_CERTIFICATES:
            raise TooLarge(f"more than {MAX_CERTIFICATES} certificates")
        is_certificate = listed.tag == SEQUENCE
        encoded = listed.whole()
        if is_certificate and len(encoded) <= MAX_CERTIFICATE:
            found.append(encoded)
    return found


def _read_revocation(listed: Reader) -> tuple[list[bytes], list[bytes]]:
    """CRLs, and OCSP answers in the form of RFC 5940 section 2, which others may write."""
    crls: list[bytes] = []
    ocsp: list[bytes] = []
    while listed.tag is not None:
        if len(crls) + len(ocsp) >= MAX_REVOCATION_ANSWERS:
            raise TooLarge(f"more than {MAX_REVOCATION_ANSWERS} revocation answers")
        if listed.tag == SEQUENCE:
            crls.append(listed.whole())
        elif other := listed.entered(_OTHER_REVOCATION_FORMAT):
            if other.whole(OID) == oids.OCSP_RESPONSE:
                ocsp.append(other.whole(SEQUENCE))
        else:
            listed.whole()
    return crls, ocsp


def _read_signers(infos: Reader) -> list[SignerInfo]:
    found: list[SignerInfo] = []
    while infos.tag is not None:
        if len(found) >= MAX_SIGNERS:
            raise TooLarge(f"more than {MAX_SIGNERS} signers")
        found.append(_read_signer(infos.enter(SEQUENCE)))
    return found


def _read_signer(info: Reader) -> SignerInfo:
    info.contents(INTEGER)
    by_identifier = info.tag in {SUBJECT_KEY_IDENTIFIER, SUBJECT_KEY_IDENTIFIER | 0x20}
    name = key_identifier(info.octets(SUBJECT_KEY_IDENTIFIER)) if by_identifier else issuer_and_serial(info)
    digest = Algorithm(info.whole(SEQUENCE)).name
    attributes = _read_attributes(info.enter(CONTEXT_0)) if info.tag == CONTEXT_0 else None
    algorithm, value = info.whole(SEQUENCE), info.octets(OCTET_STRING)
    unsigned = _read_attributes(info.enter(_UNSIGNED)) if info.tag == _UNSIGNED else []
    return SignerInfo(name, digest, attributes, algorithm, value, unsigned)


def _unsigned_ocsp(signers: list[SignerInfo]) -> list[bytes]:
    """The OCSP answers beside the signatures. What is wrong with an unsigned attribute says nothing of a signature."""
    found: list[bytes] = []
    for signer in signers:
        try:
            for value in values_of(signer.unsigned).get(oids.REVOCATION_VALUES, []):
                found += ocsp_in(value)
        except (MalformedCms, TooLarge):
            continue
    return found[:MAX_REVOCATION_ANSWERS]


def _read_attributes(listed: Reader) -> list[bytes]:
    found: list[bytes] = []
    while listed.tag is not None:
        if len(found) >= MAX_ATTRIBUTES:
            raise TooLarge(f"more than {MAX_ATTRIBUTES} attributes")
        found.append(listed.whole(SEQUENCE))
    return found


def values_of(attributes: list[bytes]) -> dict[bytes, list[bytes]]:
    """The attributes' values by type. Raises MalformedCms, also for a type that is there twice (RFC 5652 section 5.3)."""
    values: dict[bytes, list[bytes]] = {}
    for encoded in attributes:
        attribute = Reader.of(encoded).enter(SEQUENCE)
        name, listed = attribute.whole(OID), attribute.enter(SET)
        if name in values:
            raise MalformedCms("an attribute that is there twice")
        values[name] = []
        while listed.tag is not None:
            values[name].append(listed.whole())
    return values


def signed_encodings(attributes: list[bytes]) -> list[bytes]:
    """What the signature may be over: the DER of the SET OF (RFC 5652 section 5.4), or the same as sent by who did not sort it."""
    in_order, as_sent = der.set_of(attributes), der.tlv(SET, *attributes)
    return [in_order] if in_order == as_sent else [in_order, as_sent]
