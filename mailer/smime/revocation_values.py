"""OCSP answers among a signature's unsigned attributes: revocation-values (RFC 5126 section 6.3.4).

RFC 5940 gives them a place in SignedData itself, but NSS and gpgsm then read no signature at all, and Thunderbird shows none.
"""

from . import oids
from .der import CONTEXT_0, CONTEXT_1, OCTET_STRING, OID, SEQUENCE, SET, explicit, octet_string, sequence, tlv
from .errors import MalformedCms, TooLarge
from .reader import Reader

MAX_ANSWERS = 20
_ENUMERATED = 0x0A
_SUCCESSFUL = tlv(_ENUMERATED, b"\x00")


def revocation_values(answer: bytes) -> bytes:
    """The attribute that holds what an OCSPResponse (RFC 6960 section 4.2.1, DER) answers. Raises MalformedCms, also if it answers nothing."""
    response = Reader.of(answer).enter(SEQUENCE)
    if response.whole() != _SUCCESSFUL:
        raise MalformedCms("an OCSP answer that is not successful")
    answered = response.enter(CONTEXT_0).enter(SEQUENCE)
    if answered.whole(OID) != oids.OCSP_BASIC:
        raise MalformedCms("an OCSP answer that is not a basic one")
    basic = answered.contents(OCTET_STRING)
    if Reader.of(basic).whole(SEQUENCE) != basic:
        raise MalformedCms("an OCSP answer that is not one SEQUENCE")
    return sequence(oids.REVOCATION_VALUES, tlv(SET, sequence(explicit(1, sequence(basic)))))


def ocsp_in(value: bytes) -> list[bytes]:
    """The OCSP answers in an attribute's value, each as a whole OCSPResponse. Raises MalformedCms, TooLarge."""
    values = Reader.of(value).enter(SEQUENCE)
    values.skip(CONTEXT_0)  # CRLs
    found: list[bytes] = []
    outer = values.entered(CONTEXT_1)
    listed = outer.enter(SEQUENCE) if outer else None
    while listed and listed.tag is not None:
        if len(found) >= MAX_ANSWERS:
            raise TooLarge(f"more than {MAX_ANSWERS} OCSP answers")
        answered = explicit(0, sequence(oids.OCSP_BASIC, octet_string(listed.whole(SEQUENCE))))
        found.append(sequence(_SUCCESSFUL, answered))
    return found
