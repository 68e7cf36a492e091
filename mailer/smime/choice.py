"""Which algorithms a recipient's key gets: one table, and for each line why.

What is not known of a recipient's program is taken to be the oldest in use: AES-256-CBC opens everywhere, while AES-GCM shows a blank page
in Thunderbird and RSA-OAEP does not open in NSS or gpgsm. Only what the recipient's own capabilities name (RFC 8551 section 2.5.2) is newer.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from . import oids
from .capabilities import named
from .errors import KeyRefused, MalformedCms


class KeyManagement(StrEnum):
    """How the content key reaches a recipient. Each kind gets an envelope of its own."""

    RSA_PKCS1 = "rsa-pkcs1-v1.5"
    RSA_OAEP = "rsa-oaep-sha256"
    ECDH = "ecdh-stddh-sha256kdf"


class ContentCipher(StrEnum):
    """How the content is encrypted; GCM makes AuthEnvelopedData (RFC 5083), CBC EnvelopedData."""

    AES_128_CBC = "aes-128-cbc"
    AES_256_CBC = "aes-256-cbc"
    AES_128_GCM = "aes-128-gcm"
    AES_256_GCM = "aes-256-gcm"

    @property
    def key_bytes(self) -> int:
        return 16 if self in {ContentCipher.AES_128_CBC, ContentCipher.AES_128_GCM} else 32

    @property
    def authenticates(self) -> bool:
        return self in {ContentCipher.AES_128_GCM, ContentCipher.AES_256_GCM}


class Reason(StrEnum):
    """What a choice rests on; `text` says it for the receipt."""

    DEFAULT = "default"
    CAPABILITIES = "capabilities"
    UNSHARED = "unshared"
    UNREADABLE = "unreadable"
    GIVEN = "given"

    @property
    def text(self) -> str:
        return _REASONS[self]


_REASONS = {
    Reason.DEFAULT: "nothing is known of the recipient's program",
    Reason.CAPABILITIES: "by the recipient's own capabilities",
    Reason.UNSHARED: "the recipient's own capabilities name nothing that is used here",
    Reason.UNREADABLE: "the recipient's own capabilities cannot be read",
    Reason.GIVEN: "as the caller wished",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Two choices of the same algorithms are equal, whatever led to them: their recipients can share an envelope."""

    key_management: KeyManagement
    content: ContentCipher
    reason: Reason = field(default=Reason.GIVEN, compare=False)

    @property
    def explanation(self) -> str:
        """For the receipt: the algorithms, what the choice rests on, and the table's word on each."""
        words = {line.algorithm: f"{line.algorithm}: {line.why}" for line in TABLE if line.algorithm in {self.key_management, self.content}}
        return f"{self.key_management}, {self.content}; {'; '.join((self.reason.text, *words.values()))}"


class Line(NamedTuple):
    """`capability` is the object identifier (DER) that the recipient must name; None: whatever the recipient names."""

    algorithm: KeyManagement | ContentCipher
    keys: frozenset[str]
    capability: bytes | None
    why: str


_RSA, _EC = frozenset({"RSA"}), frozenset({"P-256", "P-384"})
_ANY = _RSA | _EC
# The first line of each kind of algorithm that fits is taken. The last ones of each kind are the defaults.
TABLE = (
    Line(KeyManagement.RSA_OAEP, _RSA, oids.RSAES_OAEP_NAME, "named; not open to attacks on the padding"),
    Line(KeyManagement.RSA_PKCS1, _RSA, None, "RSA as every program opens it"),
    Line(KeyManagement.ECDH, _EC, None, "EC as every program that knows EC opens it"),
    Line(ContentCipher.AES_256_GCM, _ANY, oids.AES_256_GCM, "named; a change on the way does not open"),
    Line(ContentCipher.AES_256_CBC, _ANY, oids.AES_256_CBC, "256 bits as every program opens them"),
    Line(ContentCipher.AES_128_GCM, _ANY, oids.AES_128_GCM, "named, and nothing with 256 bits is"),
    Line(ContentCipher.AES_128_CBC, _ANY, oids.AES_128_CBC, "named, and nothing with 256 bits is"),
    Line(ContentCipher.AES_256_CBC, _ANY, None, "256 bits as every program opens them"),
)

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
# Below 2048 bits a key protects nothing; a much larger one is an attack on whoever computes with it.
_RSA_BITS = range(2048, 8192 + 1)


def kind(key: PublicKeyTypes) -> str:
    """The table's word for a public key: `RSA`, `P-256` or `P-384`. Raises KeyRefused."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise KeyRefused(f"an RSA key of {key.key_size} bits; 2048 to 8192 are accepted")
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise KeyRefused("a key that is neither RSA nor on P-256 or P-384")


def choose(key: PublicKeyTypes, capabilities: bytes | None = None) -> Choice:
    """The algorithms for a recipient's key. Raises KeyRefused.

    `capabilities` is the DER of the recipient's own SMIMECapabilities; what cannot be read, or is over 4096 bytes, counts as unknown.
    """
    of = kind(key)
    names: frozenset[bytes] = frozenset()
    reason = Reason.DEFAULT
    if capabilities is not None:
        try:
            names = named(capabilities)
        except MalformedCms:
            reason = Reason.UNREADABLE
        else:
            reason = Reason.CAPABILITIES if names & {line.capability for line in TABLE if of in line.keys} else Reason.UNSHARED
    fitting = [line for line in TABLE if of in line.keys and (line.capability is None or line.capability in names)]
    return Choice(
        next(line.algorithm for line in fitting if isinstance(line.algorithm, KeyManagement)),
        next(line.algorithm for line in fitting if isinstance(line.algorithm, ContentCipher)),
        reason,
    )
