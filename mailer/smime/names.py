"""When do two encodings name the same issuer? Some programs write a name anew, in other string types, case or spacing (RFC 5280 section 7.1)."""

import unicodedata

from .der import SEQUENCE, SET
from .errors import MalformedCms, TooLarge
from .reader import Reader

_ENCODINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


def comparable(name: bytes) -> bytes:
    """For the DER of an IssuerAndSerialNumber what is the same for all ways of writing it; any other name as it is. Raises nothing."""
    try:
        reader = Reader.of(name).enter(SEQUENCE)
        issuer, serial = reader.enter(SEQUENCE), reader.whole()
        relative = []
        while issuer.tag is not None:
            relative.append(repr(sorted(_pairs(issuer.enter(SET)))))
    except (MalformedCms, TooLarge):
        return name
    return repr((relative, serial)).encode()


def _pairs(relative: Reader) -> list[tuple[bytes, str]]:
    found = []
    while relative.tag is not None:
        pair = relative.enter(SEQUENCE)
        kind, tag = pair.whole(), pair.tag or 0
        encoding = _ENCODINGS.get(tag)
        text = pair.contents(tag).decode(encoding, "replace") if encoding else pair.whole().decode("latin-1")
        found.append((kind, " ".join(unicodedata.normalize("NFKC", text).casefold().split())))
    return found
