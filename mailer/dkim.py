"""DKIM signatures (RFC 6376) by rsa-sha256 and ed25519-sha256 (RFC 8463), relaxed/relaxed. Free of Django.

(1) The body in its canonical form, hashed (section 3.4.4).
(2) The signed fields in theirs (section 3.4.2), from the last of each name upwards, each name once more than it is there: a field that
    somebody adds on the way breaks the signature (section 8.15).
(3) The signature's own field with an empty `b=`, after them (section 3.7).
"""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

LEAST_RSA_BITS = 2048  # RFC 8301 section 3.2
# Where a second one would change what a reader sees, the name is signed once more; others only where they are.
_SIGNED = (b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type", b"content-transfer-encoding")
_SIGNED_IF_THERE = (b"content-disposition", b"auto-submitted", b"list-unsubscribe", b"list-unsubscribe-post")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BLANKS = re.compile(rb"[ \t]+")
_FOLD = 72
_PKCS1, _PREHASHED = padding.PKCS1v15(), Prehashed(SHA256())


class DkimError(ValueError):
    """A key or a name with which no domain can sign. The text holds nothing of the key."""


class DomainSigner:
    """Signs as a domain, by the key whose public half stands at `<selector>._domainkey.<domain>`."""

    def __init__(self, domain: str, selector: str, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
        """Raises DkimError."""
        if not _DOMAIN.fullmatch(domain) or not _SELECTOR.fullmatch(selector):
            raise DkimError("a domain and a selector are lower-case names in ASCII")
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA_BITS:
            raise DkimError(f"an RSA key of {key.key_size} bits; {LEAST_RSA_BITS} are the least")
        self.domain, self.selector, self._key = domain, selector, key

    @classmethod
    def from_pem(cls, domain: str, selector: str, pem: bytes) -> "DomainSigner":
        """From an unencrypted private key, RSA or Ed25519. Raises DkimError."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise DkimError("not an unencrypted private key in PEM") from error
        if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
            raise DkimError("the key is neither RSA nor Ed25519")
        return cls(domain, selector, key)

    @property
    def record(self) -> tuple[str, str]:
        """The DNS name and the TXT record that the domain has to publish (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
        public = self._key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"{self.selector}._domainkey.{self.domain}", f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"

    def sign(self, mail: bytes, *, at: datetime) -> bytes:
        """The mail (CRLF) with a DKIM-Signature in front."""
        head, _line, body = mail.partition(b"\r\n\r\n")
        fields = _fields(head + b"\r\n")
        present = [name for name, _ in fields]
        names = [name for name in _SIGNED for _ in range(present.count(name) + 1)]
        names += [name for name in _SIGNED_IF_THERE for _ in range(present.count(name))]
        algorithm = b"rsa-sha256" if isinstance(self._key, rsa.RSAPrivateKey) else b"ed25519-sha256"
        field = b"DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=%s;\r\n s=%s; t=%d;\r\n h=%s;\r\n bh=%s;\r\n b=" % (
            algorithm, self.domain.encode(), self.selector.encode(), int(at.timestamp()), _folded(names), base64.b64encode(body_hash(body)),
        )  # fmt: skip
        signature = base64.b64encode(self._signature(sha256(covered(fields, names, field)).digest()))
        value = b"\r\n ".join(signature[start : start + _FOLD] for start in range(0, len(signature), _FOLD))
        return b"".join((field, value, b"\r\n", mail))

    def _signature(self, digest: bytes) -> bytes:
        """RFC 8463 section 3: Ed25519 signs the digest as if it were the message."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(digest, _PKCS1, _PREHASHED)
        return self._key.sign(digest)


def body_hash(body: bytes) -> bytes:
    """(1) SHA-256 of the body (CRLF): blanks run together, those at a line's end gone, and the empty lines at the end too."""
    if b" " in body or b"\t" in body:
        body = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    lines = body.rstrip(b"\r\n")
    return sha256(lines + b"\r\n" if lines else b"").digest()


def covered(fields: Sequence[tuple[bytes, bytes]], names: Sequence[bytes], field: bytes) -> bytes:
    """(2) and (3): what is hashed and signed. `field` is the signature's own, its `b=` empty and without its line's end."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name, []).append(value)
    taken = [(name, left[name].pop()) for name in names if left.get(name)]
    own_name, _colon, own = field.partition(b":")
    return b"".join(b"%s:%s\r\n" % (name, _relaxed(value)) for name, value in taken) + b"%s:%s" % (own_name.lower(), _relaxed(own))


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Names in lower case, and values as they stand with their folds."""
    fields: list[tuple[bytes, bytes]] = []
    for line in head.splitlines(keepends=True):
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + line
        else:
            name, _colon, value = line.partition(b":")
            fields.append((name.strip().lower(), value))
    return fields


def _relaxed(value: bytes) -> bytes:
    return _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def _folded(names: Sequence[bytes]) -> bytes:
    lines, line = [], b""
    for name in names:
        if len(line) + len(name) > _FOLD:
            lines.append(line)
            line = b""
        line += name + b":"
    return b"\r\n  ".join((*lines, line)).removesuffix(b":")
