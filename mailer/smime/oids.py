"""Object identifiers of CMS and S/MIME, DER-encoded once."""

from .der import NULL, explicit, integer, oid, sequence

DATA = oid("1.2.840.113549.1.7.1")
SIGNED_DATA = oid("1.2.840.113549.1.7.2")
ENVELOPED_DATA = oid("1.2.840.113549.1.7.3")
AUTH_ENVELOPED_DATA = oid("1.2.840.113549.1.9.16.1.23")

# Signed attributes: RFC 5652 section 11, RFC 8551 section 2.5, RFC 5035 section 3.
CONTENT_TYPE = oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
SIGNING_TIME = oid("1.2.840.113549.1.9.5")
SMIME_CAPABILITIES = oid("1.2.840.113549.1.9.15")
SIGNING_CERTIFICATE_V2 = oid("1.2.840.113549.1.9.16.2.47")

# Unsigned: RFC 3161 appendix A. Among the revocation answers of a SignedData: RFC 5940 section 2.
TIME_STAMP_TOKEN = oid("1.2.840.113549.1.9.16.2.14")
OCSP_RESPONSE = oid("1.3.6.1.5.5.7.16.2")
# Unsigned: RFC 5126 section 6.3.4, which holds answers of the kind of RFC 6960 section 4.2.1.
REVOCATION_VALUES = oid("1.2.840.113549.1.9.16.2.24")
OCSP_BASIC = oid("1.3.6.1.5.5.7.48.1.1")

AES_128_CBC = oid("2.16.840.1.101.3.4.1.2")
AES_256_CBC = oid("2.16.840.1.101.3.4.1.42")
AES_128_GCM = oid("2.16.840.1.101.3.4.1.6")
AES_256_GCM = oid("2.16.840.1.101.3.4.1.46")
AES_128_WRAP = oid("2.16.840.1.101.3.4.1.5")
AES_256_WRAP = oid("2.16.840.1.101.3.4.1.45")
ECDH_STD_SHA256_KDF = oid("1.3.132.1.11.1")
EC_PUBLIC_KEY = oid("1.2.840.10045.2.1")

RSA_ENCRYPTION_NAME = oid("1.2.840.113549.1.1.1")
RSAES_OAEP_NAME = oid("1.2.840.113549.1.1.7")
MGF1_NAME = oid("1.2.840.113549.1.1.8")
RSASSA_PSS_NAME = oid("1.2.840.113549.1.1.10")
SHA256_NAME = oid("2.16.840.1.101.3.4.2.1")
SHA384_NAME = oid("2.16.840.1.101.3.4.2.2")
SHA512_NAME = oid("2.16.840.1.101.3.4.2.3")
SHA256_WITH_RSA_NAME = oid("1.2.840.113549.1.1.11")
SHA384_WITH_RSA_NAME = oid("1.2.840.113549.1.1.12")
SHA512_WITH_RSA_NAME = oid("1.2.840.113549.1.1.13")
ECDSA_WITH_SHA256_NAME = oid("1.2.840.10045.4.3.2")
ECDSA_WITH_SHA384_NAME = oid("1.2.840.10045.4.3.3")
ECDSA_WITH_SHA512_NAME = oid("1.2.840.10045.4.3.4")

# AlgorithmIdentifiers: digests without parameters (RFC 5754 section 2), rsaEncryption with NULL (RFC 3370 section 3.2).
SHA256 = sequence(SHA256_NAME)
SHA384 = sequence(SHA384_NAME)
RSA_ENCRYPTION = sequence(RSA_ENCRYPTION_NAME, NULL)
ECDSA_WITH_SHA256 = sequence(ECDSA_WITH_SHA256_NAME)
ECDSA_WITH_SHA384 = sequence(ECDSA_WITH_SHA384_NAME)

# RFC 4055 section 2.1 gives the hash inside these parameters a NULL; the salt of PSS is as long as the hash, which is not the default of 20.
_SHA256_WITH_NULL = sequence(SHA256_NAME, NULL)
_MGF1_SHA256 = sequence(MGF1_NAME, _SHA256_WITH_NULL)
RSAES_OAEP_SHA256 = sequence(RSAES_OAEP_NAME, sequence(explicit(0, _SHA256_WITH_NULL), explicit(1, _MGF1_SHA256)))
RSASSA_PSS_SHA256 = sequence(RSASSA_PSS_NAME, sequence(explicit(0, _SHA256_WITH_NULL), explicit(1, _MGF1_SHA256), explicit(2, integer(32))))
