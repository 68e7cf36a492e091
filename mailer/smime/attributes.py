"""Do the signed attributes fit the content, the signer and the algorithms? (RFC 5652 section 11, RFC 5035, RFC 6211)"""

from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes

from . import oids
from .der import CONTEXT_1, GENERALIZED_TIME, OCTET_STRING, OID, SEQUENCE, UTC_TIME
from .errors import MalformedCms, UnsupportedAlgorithm
from .foreign import ALGORITHM_PROTECTION, DIGESTS, SHA1, SIGNING_CERTIFICATE
from .outcomes import Outcome
from .reader import Algorithm, Reader
from .signed_data import SignerInfo

Values = dict[bytes, list[bytes]]
_FIRST_YEARS = 50  # RFC 5652 section 11.3: UTCTime below 50 is of this century


def digest(algorithm: hashes.HashAlgorithm, octets: bytes) -> bytes:
    computed = hashes.Hash(algorithm)
    computed.update(octets)
    return computed.finalize()


def check(values: Values, info: SignerInfo, *, content_type: bytes, content_digest: Callable[[], bytes], signer: bytes) -> Outcome | None:
    """None if they fit. Raises MalformedCms, UnsupportedAlgorithm.

    1. The content type is there once and is the content's.
    2. The message digest is there once and is the content's.
    3. The signing certificate, if named, is the one that verifies.
    4. The algorithms, if protected, are those of the SignerInfo.
    """
    # Step 1.
    if _one(values, oids.CONTENT_TYPE) != content_type:
        return Outcome.ATTRIBUTES_WRONG
    # Step 2.
    sent = _one(values, oids.MESSAGE_DIGEST)
    if sent is None:
        return Outcome.ATTRIBUTES_WRONG
    if Reader.of(sent).octets(OCTET_STRING) != content_digest():
        return Outcome.CONTENT_CHANGED
    # Step 3.
    for name, default in ((SIGNING_CERTIFICATE, DIGESTS[SHA1]), (oids.SIGNING_CERTIFICATE_V2, DIGESTS[oids.SHA256_NAME])):
        if name in values and not _identifies(_one(values, name), default, signer):
            return Outcome.ATTRIBUTES_WRONG
    # Step 4.
    if ALGORITHM_PROTECTION in values and not _protects(_one(values, ALGORITHM_PROTECTION), info):
        return Outcome.ATTRIBUTES_WRONG
    return None


def signing_time(values: Values) -> datetime | None:
    """What the signer says of the time, which is a claim; None if nothing readable."""
    encoded = _one(values, oids.SIGNING_TIME)
    if not encoded or encoded[0] not in {UTC_TIME, GENERALIZED_TIME}:
        return None
    text = Reader.of(encoded).contents(encoded[0]).decode("ascii", "replace")
    if encoded[0] == UTC_TIME:
        text = ("20" if text[:2] < str(_FIRST_YEARS) else "19") + text
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _one(values: Values, name: bytes) -> bytes | None:
    """The attribute's single value; None if there is none or several."""
    found = values.get(name, [])
    return found[0] if len(found) == 1 else None


def _identifies(signing_certificate: bytes | None, default: hashes.HashAlgorithm, signer: bytes) -> bool:
    """The first ESSCertID is of the certificate that verifies (RFC 5035 section 5.4)."""
    if signing_certificate is None:
        return False
    first = Reader.of(signing_certificate).enter(SEQUENCE).enter(SEQUENCE).enter(SEQUENCE)
    algorithm: hashes.HashAlgorithm | None = default
    if first.tag == SEQUENCE:
        algorithm = DIGESTS.get(Algorithm(first.whole(SEQUENCE)).name)
    if algorithm is None:
        raise UnsupportedAlgorithm("a digest that is not read here")
    return first.octets(OCTET_STRING) == digest(algorithm, signer)


def _protects(protection: bytes | None, info: SignerInfo) -> bool:
    """CMSAlgorithmProtection is of the digest and signature algorithms that are used (RFC 6211 section 2)."""
    if protection is None:
        return False
    try:
        reader = Reader.of(protection).enter(SEQUENCE)
        digest_algorithm = Algorithm(reader.whole(SEQUENCE))
        signature = reader.enter(CONTEXT_1)
        name = signature.whole(OID)
        parameters = signature.whole() if signature.tag is not None else None
    except MalformedCms:
        return False
    used = Algorithm(info.algorithm)
    alike = parameters == used.parameters or (used.bare and parameters in {None, b"\x05\x00"})
    return digest_algorithm.name == info.digest and name == used.name and alike
