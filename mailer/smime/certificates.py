"""The few parts of a certificate that sealing needs, cut out as they stand: re-encoding a name could change it.

Shapes: `issuer_and_serial` is the DER of IssuerAndSerialNumber (RFC 5652 section 10.2.4), `spki` of SubjectPublicKeyInfo.
"""

from typing import NamedTuple

from . import der
from .errors import KeyRefused, MalformedCms

MAX_CERTIFICATE = 32 * 1024
_VERSION = 0xA0
_FIELDS_TO_KEY = 6  # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo


class CertificateParts(NamedTuple):
    issuer_and_serial: bytes
    spki: bytes


def cut(certificate: bytes) -> CertificateParts:
    """Issuer, serial number and public key of a DER certificate (RFC 5280 section 4.1). Raises KeyRefused."""
    if len(certificate) > MAX_CERTIFICATE:
        raise KeyRefused(f"a certificate of more than {MAX_CERTIFICATE} bytes")
    try:
        outer = der.read(certificate)
        fields = der.children(certificate, der.read(certificate, outer.contents, outer.end))
    except MalformedCms as error:
        raise KeyRefused("not a certificate in DER") from error
    if fields and fields[0].tag == _VERSION:
        fields = fields[1:]
    expected = (der.INTEGER, *(der.SEQUENCE,) * 5)
    if outer.end != len(certificate) or tuple(field.tag for field in fields[:_FIELDS_TO_KEY]) != expected:
        raise KeyRefused("not a certificate in DER")
    serial, _signature, issuer, _validity, _subject, spki = (certificate[field.start : field.end] for field in fields[:_FIELDS_TO_KEY])
    return CertificateParts(der.sequence(issuer, serial), spki)
