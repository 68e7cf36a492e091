"""What algorithms other programs use: the reader's tables, from object identifiers in DER to what computes them.

The writer's own few are in `oids`. `WEAK_DIGESTS` are computed so as to tell a changed message from an old one, and never count as good.
"""

from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

from . import oids
from .der import oid

AUTHENTICATED_ENVELOPED_DATA = oid("1.2.840.113549.1.9.16.1.23")  # RFC 5083
COMPRESSED_DATA = oid("1.2.840.113549.1.9.16.1.9")  # RFC 3274
ZLIB_COMPRESSION = oid("1.2.840.113549.1.9.16.3.8")

# Signed attributes besides the writer's: RFC 5035 section 5, RFC 6211.
SIGNING_CERTIFICATE = oid("1.2.840.113549.1.9.16.2.12")
ALGORITHM_PROTECTION = oid("1.2.840.113549.1.9.52")
ENCRYPTION_KEY_PREFERENCE = oid("1.2.840.113549.1.9.16.2.11")  # RFC 8551 section 2.5.3

MD5 = oid("1.2.840.113549.2.5")
SHA1 = oid("1.3.14.3.2.26")
SHA224 = oid("2.16.840.1.101.3.4.2.4")
MD2, MD4 = oid("1.2.840.113549.2.2"), oid("1.2.840.113549.2.4")

# SHA3 is RFC 8702's neighbour and in nobody's mail yet.
DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    MD5: hashes.MD5(),  # noqa: S303 - recognised, never good
    SHA1: hashes.SHA1(),  # noqa: S303 - recognised, never good
    SHA224: hashes.SHA224(),
    oids.SHA256_NAME: hashes.SHA256(),
    oids.SHA384_NAME: hashes.SHA384(),
    oids.SHA512_NAME: hashes.SHA512(),
}
WEAK_DIGESTS = frozenset({MD5, SHA1})
GONE_DIGESTS = frozenset({MD2, MD4})  # so old that no library has them

# Signatures: the family and, where the identifier names it, the digest.
PKCS1, PSS, ECDSA, DSA, ED25519 = "PKCS#1 v1.5", "PSS", "ECDSA", "DSA", "Ed25519"
SIGNATURES: dict[bytes, tuple[str, bytes | None]] = {
    oids.RSA_ENCRYPTION_NAME: (PKCS1, None),
    oid("1.2.840.113549.1.1.4"): (PKCS1, MD5),
    oid("1.2.840.113549.1.1.5"): (PKCS1, SHA1),
    oid("1.3.14.3.2.29"): (PKCS1, SHA1),
    oid("1.2.840.113549.1.1.14"): (PKCS1, SHA224),
    oids.SHA256_WITH_RSA_NAME: (PKCS1, oids.SHA256_NAME),
    oids.SHA384_WITH_RSA_NAME: (PKCS1, oids.SHA384_NAME),
    oids.SHA512_WITH_RSA_NAME: (PKCS1, oids.SHA512_NAME),
    oids.RSASSA_PSS_NAME: (PSS, None),
    oids.EC_PUBLIC_KEY: (ECDSA, None),
    oid("1.2.840.10045.4.1"): (ECDSA, SHA1),
    oid("1.2.840.10045.4.3.1"): (ECDSA, SHA224),
    oids.ECDSA_WITH_SHA256_NAME: (ECDSA, oids.SHA256_NAME),
    oids.ECDSA_WITH_SHA384_NAME: (ECDSA, oids.SHA384_NAME),
    oids.ECDSA_WITH_SHA512_NAME: (ECDSA, oids.SHA512_NAME),
    oid("1.2.840.10040.4.1"): (DSA, None),
    oid("1.2.840.10040.4.3"): (DSA, SHA1),
    oid("1.3.14.3.2.27"): (DSA, SHA1),
    oid("2.16.840.1.101.3.4.3.1"): (DSA, SHA224),
    oid("2.16.840.1.101.3.4.3.2"): (DSA, oids.SHA256_NAME),
    oid("1.3.101.112"): (ED25519, None),
}

# Key agreement (RFC 5753 section 7.1.4): with a cofactor of 1, as on all curves read here, both schemes give the same secret.
AGREEMENTS: dict[bytes, hashes.HashAlgorithm] = {
    oid("1.3.133.16.840.63.0.2"): hashes.SHA1(),  # noqa: S303 - as a key derivation it is not broken
    oid("1.3.132.1.11.0"): hashes.SHA224(),
    oids.ECDH_STD_SHA256_KDF: hashes.SHA256(),
    oid("1.3.132.1.11.2"): hashes.SHA384(),
    oid("1.3.132.1.11.3"): hashes.SHA512(),
    oid("1.3.133.16.840.63.0.3"): hashes.SHA1(),  # noqa: S303 - as above
    oid("1.3.132.1.14.0"): hashes.SHA224(),
    oid("1.3.132.1.14.1"): hashes.SHA256(),
    oid("1.3.132.1.14.2"): hashes.SHA384(),
    oid("1.3.132.1.14.3"): hashes.SHA512(),
}
TRIPLE_DES_WRAP = oid("1.2.840.113549.1.9.16.3.6")
WRAPS = {oids.AES_128_WRAP: 16, oid("2.16.840.1.101.3.4.1.25"): 24, oids.AES_256_WRAP: 32, TRIPLE_DES_WRAP: 24}


class ContentCipher(NamedTuple):
    """A content cipher as a receipt names it; the key's size is in octets."""

    name: str
    mode: str
    key_bytes: int
    legacy: bool = False


CBC, GCM, TRIPLE_DES, RC2 = "CBC", "GCM", "3DES", "RC2"
CIPHERS = {
    oids.AES_128_CBC: ContentCipher("AES-128-CBC", CBC, 16),
    oid("2.16.840.1.101.3.4.1.22"): ContentCipher("AES-192-CBC", CBC, 24),
    oids.AES_256_CBC: ContentCipher("AES-256-CBC", CBC, 32),
    oids.AES_128_GCM: ContentCipher("AES-128-GCM", GCM, 16),
    oid("2.16.840.1.101.3.4.1.26"): ContentCipher("AES-192-GCM", GCM, 24),
    oids.AES_256_GCM: ContentCipher("AES-256-GCM", GCM, 32),
    oid("1.2.840.113549.3.7"): ContentCipher("3DES-CBC", TRIPLE_DES, 24, legacy=True),
    oid("1.2.840.113549.3.2"): ContentCipher("RC2-CBC", RC2, 16, legacy=True),
}
# Recognised and refused: single DES, RC4, CAST5, IDEA.
GONE_CIPHERS = frozenset({
    oid("1.3.14.3.2.7"), oid("1.2.840.113549.3.4"), oid("1.2.840.113533.7.66.10"), oid("1.3.6.1.4.1.188.7.1.1.2"),
})  # fmt: skip

CURVES = {
    oid("1.2.840.10045.3.1.7"): "secp256r1",
    oid("1.3.132.0.34"): "secp384r1",
    oid("1.3.132.0.35"): "secp521r1",
}
