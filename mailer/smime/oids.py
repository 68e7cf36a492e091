"""Object identifiers of CMS and S/MIME, DER-encoded once."""

from .der import NULL, oid, sequence

DATA = oid("1.2.840.113549.1.7.1")
SIGNED_DATA = oid("1.2.840.113549.1.7.2")
ENVELOPED_DATA = oid("1.2.840.113549.1.7.3")

# Signed attributes: RFC 5652 section 11, RFC 8551 section 2.5, RFC 5035 section 3.
CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
SIGNING_TIME = oid("1.2.840.113549.1.9.5")
SMIME_CAPABILITIES = oid("1.2.840.113549.1.9.15")
SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")

AES_128_CBC = oid("2.16.840.1.101.3.4.1.2")
AES_256_CBC = oid("2.16.840.1.101.3.4.1.42")
AES_256_WRAP = oid("2.16.840.1.101.3.4.1.45")
ECDH_STD_SHA256_KDF = oid("1.3.132.1.11.1")
EC_PUBLIC_KEY = oid("1.2.840.10045.2.1")

SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"))  # an AlgorithmIdentifier without parameters: RFC 5754 section 2
RSA_ENCRYPTION = sequence(oid("1.2.840.113549.1.1.1"), NULL)
ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
