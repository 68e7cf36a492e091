"""Tag lists and key records of DKIM (RFC 6376 sections 3.2 and 3.6.1, RFC 8463 section 4), as strangers publish them. Free of Django."""

import base64
import binascii
import re
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

MOST_RECORD = 4096
MOST_TAGS = 40
LEAST_RSA_BITS, MOST_RSA_BITS = 1024, 4096  # RFC 8301 section 3.2: below 1024 nothing counts, up to 4096 must be read
_MOST_EXPONENT_BITS = 32
_ED25519_OCTETS = 32
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_BLANK = re.compile(r"[ \t\r\n]+")

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class BadTagsError(ValueError):
    """Not a tag list, or a key record with which nothing can be verified; the text says why and quotes nothing."""


class RevokedKeyError(BadTagsError):
    """The domain has taken the key back: `p=` is empty."""


def tags_of(text: str) -> dict[str, str]:
    """A tag list, its values without the blanks around them. Raises BadTagsError, also for a tag that is there twice (section 3.2)."""
    parts = text.split(";")
    if not parts[-1].strip(" \t\r\n"):
        parts.pop()
    if len(parts) > MOST_TAGS:
        raise BadTagsError("more tags than are read")
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _NAME.fullmatch(name):
            raise BadTagsError("not a list of tags")
        if name in found:
            raise BadTagsError("a tag that is there twice")
        found[name] = value.strip(" \t\r\n")
    return found


def without_blanks(value: str) -> str:
    return _BLANK.sub("", value)


def words_of(value: str) -> list[str]:
    """A list that colons part."""
    return [word.strip(" \t\r\n") for word in value.split(":")]


def octets_of(value: str) -> bytes:
    """Base64 that may be folded. Raises BadTagsError."""
    try:
        return base64.b64decode(without_blanks(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadTagsError("not base64") from error


class KeyRecord:
    """What a domain says of one of its keys: the key, whether only the domain itself may be named, and whether it is only being tried out."""

    def __init__(self, record: bytes) -> None:
        """Raises BadTagsError, RevokedKeyError.

        1. `v=`, if there, is first and DKIM1.
        2. The key may be used for mail, and with SHA-256.
        3. The key itself, of a size that counts and that costs little.
        """
        if len(record) > MOST_RECORD:
            raise BadTagsError("a key record that is too long")
        try:
            tags = tags_of(record.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadTagsError("a key record that is not text") from error
        # Step 1.
        if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
            raise BadTagsError("a key record of another version")
        # Step 2.
        if not {"*", "email"} & set(words_of(tags.get("s", "*"))):
            raise BadTagsError("a key that is not for mail")
        if "h" in tags and "sha256" not in words_of(tags["h"]):
            raise BadTagsError("a key that is not for SHA-256")
        flags = words_of(tags.get("t", ""))
        self.is_strict, self.is_trial = "s" in flags, "y" in flags
        # Step 3.
        if "p" not in tags:
            raise BadTagsError("a key record without a key")
        self.kind = tags.get("k", "rsa")
        self.key = _key(self.kind, tags)


def is_key_record(record: bytes) -> bool:
    """It is meant to be one: other texts may stand at a name that a wildcard answers for."""
    return re.search(rb"(?:\A|;)[ \t]*p[ \t]*=", record[:MOST_RECORD]) is not None


def _key(kind: str, tags: Mapping[str, str]) -> PublicKey:
    octets = octets_of(tags["p"])
    if not octets:
        raise RevokedKeyError("the domain has taken the key back")
    if kind == "ed25519":
        if len(octets) != _ED25519_OCTETS:
            raise BadTagsError("not an Ed25519 key")
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    if kind != "rsa":
        raise BadTagsError("a kind of key that is not read here")
    try:
        key = load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadTagsError("an RSA key that cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise BadTagsError("not an RSA key")
    if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS or key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
        raise BadTagsError("an RSA key that is too short to count or too large to be used")
    return key
