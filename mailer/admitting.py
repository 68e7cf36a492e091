"""What an operator may put into the trust store by hand: certificates of authorities with sane keys, for e-mail, that have not expired."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from directory.authorities import add_authority
from directory.models import AuthorityKind, AuthoritySource, TrustedAuthority
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import KeyUsageError, OutOfTimeError, UnknownCriticalExtensionError, UnpublishableError
from directory.x509.gate import check_key


class NotAnAuthorityError(UnpublishableError):
    """The certificate may not certify others (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""

    code = "not_an_authority"


def admit(file: bytes, *, actor: str, at: datetime) -> list[TrustedAuthority]:
    """Trust the authorities in a file of PEM, DER or PKCS#7: those that issued themselves as roots, others as intermediates.

    All or, where one is refused, none. Raises the X509Errors of reading, and UnpublishableErrors for what is no authority to be trusted.
    """
    found = [(parsed, _kind(parsed, at=at)) for parsed in map(parse_certificate, read_upload(file))]
    for parsed, kind in found:
        add_authority(
            fingerprint=parsed.fingerprint,
            der=parsed.der,
            subject=x509.load_der_x509_certificate(parsed.der).subject.rfc4514_string(),
            kind=kind,
            source=AuthoritySource.ADDED,
            actor=actor,
            at=at,
        )
    return list(TrustedAuthority.objects.filter(pk__in=[parsed.fingerprint for parsed, _ in found]).order_by("kind", "subject"))


def _kind(parsed: ParsedCertificate, *, at: datetime) -> AuthorityKind:
    certificate = x509.load_der_x509_certificate(parsed.der)
    if not parsed.is_authority or not _may_certify(certificate):
        raise NotAnAuthorityError("This is not the certificate of an authority.")
    check_key(parsed)
    if not parsed.for_mail:
        raise KeyUsageError("The authority's extended key usage leaves e-mail out.")
    for oid in parsed.unknown_critical:
        raise UnknownCriticalExtensionError(f"The certificate has the critical extension {oid}, which is not known here.", oid=oid)
    if not parsed.not_before <= at < parsed.not_after:
        raise OutOfTimeError("The certificate is not valid at this time.")
    return AuthorityKind.ROOT if _issued_itself(certificate) else AuthorityKind.INTERMEDIATE


def _may_certify(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _issued_itself(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
