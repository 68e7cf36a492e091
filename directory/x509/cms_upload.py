"""Split a certs-only PKCS#7 (RFC 5652 section 5.1, RFC 8551 section 3.8). Runs in `directory.isolation`'s process, and has little to load there."""

from typing import Any

from asn1crypto import cms

# What asn1crypto raises on octets that are not what they say.
_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def certificates(arguments: Any, data: bytes) -> tuple[Any, list[bytes]]:
    """The certificates in DER and no problem, or nothing and the problem: `not_signed_data`, `signed_message`, `damaged`."""
    del arguments
    try:
        signed = cms.ContentInfo.load(data, strict=True)["content"]
        if not isinstance(signed, cms.SignedData):
            return "not_signed_data", []
        if len(signed["signer_infos"]):
            return "signed_message", []
        return "", [choice.chosen.dump() for choice in signed["certificates"] if choice.name == "certificate"]
    except _FAULTS:
        return "damaged", []


TASKS = {"certificates": certificates}
