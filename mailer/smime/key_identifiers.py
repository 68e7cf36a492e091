"""The subject key identifiers by which a certificate may be meant (RFC 5652 section 6.2.1): its own, or those that programs compute."""

from hashlib import sha1

from . import der
from .certificates import cut
from .der import BIT_STRING, OCTET_STRING
from .errors import MalformedCms

_EXTENSIONS = 0xA3
_SUBJECT_KEY_IDENTIFIER = bytes.fromhex("0603551d0e")


def identifiers_of(certificate: bytes) -> list[bytes]:
    """The identifier in the extension, or else the SHA-1 of the public key (RFC 5280 section 4.2.1.2). Raises KeyRefused."""
    spki = cut(certificate).spki
    try:
        found = _extension(certificate)
        if found:
            return [found]
        bits = der.children(spki, der.read(spki))[1]
    except (MalformedCms, IndexError):
        return []
    if bits.tag != BIT_STRING:
        return []
    return [sha1(spki[bits.contents + 1 : bits.end], usedforsecurity=False).digest()]


def _extension(certificate: bytes) -> bytes | None:
    outer = der.read(certificate)
    for field in der.children(certificate, der.read(certificate, outer.contents, outer.end)):
        if field.tag != _EXTENSIONS:
            continue
        for extension in der.children(certificate, der.read(certificate, field.contents, field.end)):
            name, *_, value = der.children(certificate, extension)
            if certificate[name.start : name.end] == _SUBJECT_KEY_IDENTIFIER:
                inner = der.read(certificate, value.contents, value.end)
                return certificate[inner.contents : inner.end] if inner.tag == OCTET_STRING else None
    return None
