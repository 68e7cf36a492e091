"""Lint, sign, compare: the CA key signs only bytes that the linter has already seen.

The linter needs a signed certificate, so a throw-away key of the same shape signs a draft first. Both drafts share their to-be-signed bytes,
since those name the algorithm and the issuer but hold nothing of the signing key. ECDSA signatures are deterministic (RFC 6979): the same
ledger row signed twice, after a kill, gives the same certificate.
"""

from collections.abc import Callable, Sequence
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mailer.ca.errors import TamperedError
from mailer.ca.lint import Finding, demand_none
from mailer.ca.profiles import AuthorityKey, CertifiedKey, algorithm_for

Linter = Callable[[bytes], Sequence[Finding]]


def sign_certificate(builder: x509.CertificateBuilder, key: AuthorityKey, *, lint: Linter) -> x509.Certificate:
    """Raises LintError before, and TamperedError after, the key is used."""
    # (1) Sign a draft with the throw-away key and lint it.
    draft = _sign(builder, _throwaway(_shape(key)))
    demand_none(lint(draft.public_bytes(Encoding.DER)))
    # (2) Sign with the CA key.
    certificate = _sign(builder, key)
    # (3) What was signed is what was linted, and the signature is right: a fault in the computation could give the key away.
    if certificate.tbs_certificate_bytes != draft.tbs_certificate_bytes:
        raise TamperedError("the signed bytes are not the linted ones")
    _check_signature(key.public_key(), certificate)
    return certificate


def sign_revocation_list(
    builder: x509.CertificateRevocationListBuilder,
    key: AuthorityKey,
    *,
    sample: x509.CertificateRevocationListBuilder,
    lint: Linter,
) -> x509.CertificateRevocationList:
    """As `sign_certificate`, for a CRL. The linter sees `sample`: the same list with one entry of each kind, since it reads entries slowly."""
    draft = _sign_list(sample, _throwaway(_shape(key)))
    demand_none(lint(draft.public_bytes(Encoding.DER)))
    signed = _sign_list(builder, key)
    if _frame(signed) != _frame(draft):
        raise TamperedError("the signed list is not the linted one")
    if not signed.is_signature_valid(key.public_key()):
        raise TamperedError("the signature of the list does not verify")
    return signed


def _frame(found: x509.CertificateRevocationList) -> tuple[object, ...]:
    """All of a CRL but its entries."""
    return (found.issuer, found.last_update_utc, found.next_update_utc, list(found.extensions), found.signature_algorithm_oid)


def _sign(builder: x509.CertificateBuilder, key: AuthorityKey) -> x509.Certificate:
    return builder.sign(key, algorithm_for(key), ecdsa_deterministic=_deterministic(key))


def _sign_list(builder: x509.CertificateRevocationListBuilder, key: AuthorityKey) -> x509.CertificateRevocationList:
    return builder.sign(key, algorithm_for(key), ecdsa_deterministic=_deterministic(key))


def _deterministic(key: AuthorityKey) -> bool | None:
    return True if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _shape(key: AuthorityKey) -> str:
    # RSA's length and the curve do not show in the to-be-signed bytes, only the signature algorithm does.
    return "rsa" if isinstance(key, rsa.RSAPrivateKey) else key.curve.name


@cache
def _throwaway(shape: str) -> AuthorityKey:
    if shape == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curves = {curve.name: curve for curve in (ec.SECP256R1(), ec.SECP384R1())}
    return ec.generate_private_key(curves[shape])


def _check_signature(key: CertifiedKey, certificate: x509.Certificate) -> None:
    algorithm = algorithm_for(key)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
        else:
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise TamperedError("the signature of the certificate does not verify") from None
