"""SignedData of one signer (RFC 5652 section 5), written from prepared parts: the attributes that are signed, and what stands around them.

Everything but the digest, the time and the signature is encoded once, when the signer is made.
"""

import os
from hashlib import sha256

from . import oids
from .capabilities import OURS
from .der import CONTEXT_1, SEQUENCE, SET, explicit, integer, length, octet_string, read, sequence, tlv
from .errors import MalformedCms, TooLarge
from .revocation_values import revocation_values

MAX_EVIDENCE = 64 * 1024
_DETACHED = sequence(oids.DATA)


def _attribute(name: bytes, value: bytes) -> bytes:
    return sequence(name, tlv(SET, value))


class SignedAttributes:
    """The attributes of every message of one certificate, with two places left open: the time and the digest.

    They stand in DER order, which signing and the wire share.
    """

    def __init__(self, certificate: bytes, time_tag: int, time_bytes: int, digest_bytes: int) -> None:
        time, digest = os.urandom(time_bytes), os.urandom(digest_bytes)
        # ESSCertIDv2 by SHA-256, the default, which DER leaves out (RFC 5035 section 4).
        identified = sequence(sequence(sequence(octet_string(sha256(certificate).digest()))))
        attributes = b"".join(
            sorted(
                (
                    _attribute(oids.CONTENT_TYPE, oids.DATA),
                    _attribute(oids.SIGNING_TIME, tlv(time_tag, time)),
                    _attribute(oids.MESSAGE_DIGEST, octet_string(digest)),
                    _attribute(oids.SMIME_CAPABILITIES, OURS),
                    _attribute(oids.SIGNING_CERTIFICATE_V2, identified),
                )
            )
        )
        # Object identifiers and lengths decide the order before the open places are reached, so it holds for every message.
        self._head, rest = attributes.split(time)
        self._middle, self._tail = rest.split(digest)
        self.set_head = bytes((SET,)) + length(len(attributes))

    def of(self, time: bytes, digest: bytes) -> bytes:
        """The contents of the SET; `set_head` before them gives what is signed (RFC 5652 section 5.4)."""
        return b"".join((self._head, time, self._middle, digest, self._tail))


class SignedData:
    """What stands around the signed attributes and the signature: `certificates` is the contents of their SET, the algorithms are whole."""

    def __init__(self, *, certificates: bytes, issuer_and_serial: bytes, digest: bytes, algorithm: bytes) -> None:
        self._certificates = explicit(0, certificates)
        # Version 1 of SignerInfo: the signer is named by issuer and serial number (RFC 5652 section 5.3).
        self._info_head = b"".join((integer(1), issuer_and_serial, digest))
        self._digests = tlv(SET, digest)
        self._algorithm = algorithm
        self._frames: dict[tuple[int, int], tuple[bytes, bytes]] = {}

    def detached(self, attributes: bytes, signature: bytes) -> bytes:
        """ContentInfo with nothing but the signature. ECDSA's has one of a few lengths, on which all the lengths around it depend."""
        sizes = len(attributes), len(signature)
        frame = self._frames.get(sizes)
        if frame is None:
            frame = self._frames[sizes] = self._frame(*sizes)
        return b"".join((frame[0], attributes, frame[1], signature))

    def _frame(self, attributes: int, signature: int) -> tuple[bytes, bytes]:
        after = self._algorithm + octet_string(bytes(signature))
        whole = self.complete(bytes(attributes), bytes(signature))
        return whole[: -attributes - len(after)], after[:-signature]

    def complete(
        self, attributes: bytes, signature: bytes, *, content: bytes | None = None, ocsp: bytes | None = None, stamp: bytes | None = None
    ) -> bytes:
        """ContentInfo with whatever else it may hold, each in DER: the signed content, an OCSPResponse, a TimeStampToken.

        Raises MalformedCms, TooLarge for an answer that answers nothing, or either that is not one SEQUENCE of at most 64 KB.
        """
        encapsulated = _DETACHED if content is None else sequence(oids.DATA, explicit(0, octet_string(content)))
        found = [] if ocsp is None else [revocation_values(evidence(ocsp, "an OCSP answer"))]
        found += [] if stamp is None else [_attribute(oids.TIME_STAMP_TOKEN, evidence(stamp, "a time stamp"))]
        unsigned = tlv(CONTEXT_1, *sorted(found)) if found else b""
        # Version 1, as nothing in it is of another kind than in PKCS#7 (RFC 5652 section 5.1).
        info = sequence(self._info_head, explicit(0, attributes), self._algorithm, octet_string(signature), unsigned)
        signed = sequence(integer(1), self._digests, encapsulated, self._certificates, tlv(SET, info))
        return sequence(oids.SIGNED_DATA, explicit(0, signed))


def evidence(element: bytes, what: str) -> bytes:
    """What a service handed in, if it is one whole SEQUENCE that can stand inside another structure. Raises MalformedCms, TooLarge."""
    if len(element) > MAX_EVIDENCE:
        raise TooLarge(f"{what} of more than {MAX_EVIDENCE} bytes")
    whole = read(element)
    if whole.tag != SEQUENCE or whole.end != len(element):
        raise MalformedCms(f"{what} is not one SEQUENCE in DER")
    return element
