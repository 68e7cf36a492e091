"""What people upload as "my certificate": PEM, DER, or a certs-only PKCS#7, which this splits into DER certificates."""

import base64
import binascii
import re

from ..isolation import Cell, IsolationError  # noqa: TID252 - the client ships this code under a name of its own
from . import der
from .certificate import MOST_OCTETS
from .errors import (
    CertificateError,
    EmptyUploadError,
    MalformedUploadError,
    PrivateKeyInUploadError,
    TooManyCertificatesError,
    UploadTooLargeError,
)

MOST_UPLOAD_OCTETS = 1024 * 1024
MOST_CERTIFICATES = 20

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s*+(?:[A-Za-z0-9-]{1,60}:[^\n]{0,200}\n)*+([A-Za-z0-9+/=\s]*+)-----END \1-----")
_CERTIFICATE_LABELS = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})
_TRUSTED_LABEL = b"TRUSTED CERTIFICATE"
_CMS_LABELS = frozenset({b"PKCS7", b"CMS", b"PKCS #7 SIGNED DATA"})
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_PKCS12_VERSION = bytes.fromhex("020103")
_MODULE = f"{__package__}.cms_upload"
_CELL = Cell(_MODULE)
_PROBLEMS = {
    "not_signed_data": "The PKCS#7 in the upload is not signed data.",
    "signed_message": "The PKCS#7 in the upload is a signed message: send its certificates alone.",
    "damaged": "The PKCS#7 in the upload is damaged.",
}
_BARE_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]+\Z")


def read_upload(data: bytes) -> list[bytes]:
    """The certificates of an upload of at most 1 MB as DER, in the order given; raises an UploadError."""
    if len(data) > MOST_UPLOAD_OCTETS:
        raise UploadTooLargeError(f"An upload has at most {MOST_UPLOAD_OCTETS} octets.")
    stripped = data.strip()
    if not stripped:
        raise EmptyUploadError("The upload is empty.")
    if b"-----BEGIN " in stripped:
        found = _read_pem(stripped)
    elif data[0] == der.SEQUENCE:
        found = _read_der(data)
    elif _BARE_BASE64.match(stripped):
        found = _read_der(_decode(stripped))
    else:
        raise MalformedUploadError("The upload is neither PEM nor DER.")
    if not found:
        raise EmptyUploadError("The upload holds no certificate.")
    if len(found) > MOST_CERTIFICATES:
        raise TooManyCertificatesError(f"An upload holds at most {MOST_CERTIFICATES} certificates.")
    return found


def _read_pem(data: bytes) -> list[bytes]:
    if b"PRIVATE KEY-----" in data:
        raise PrivateKeyInUploadError("The upload holds a private key. It was not kept; please replace that key.")
    found: list[bytes] = []
    blocks = _PEM.findall(data)
    if not blocks:
        raise MalformedUploadError("The PEM in the upload is damaged.")
    for label, body in blocks:
        if label in _CERTIFICATE_LABELS:
            found.append(_decode(body))
        elif label == _TRUSTED_LABEL:
            found.append(_first_element(_decode(body)))
        elif label in _CMS_LABELS:
            found += _read_der(_decode(body))
        else:
            raise MalformedUploadError("The upload holds something that is not a certificate.")
    return found


def _first_element(data: bytes) -> bytes:
    """OpenSSL's own form has a certificate and then what its owner trusts it for, which is no concern of anybody else's."""
    try:
        return data[: der.element(data, 0, len(data)).end]
    except CertificateError as error:
        raise MalformedUploadError("The DER in the upload is damaged.") from error


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise MalformedUploadError("The base64 in the upload is damaged.") from error


def _read_der(data: bytes) -> list[bytes]:
    # A private key in DER and a .p12 both start with a small integer, a certificate with a SEQUENCE, CMS with its type.
    head = data[2:40]
    if _SIGNED_DATA in head:
        return _read_cms(data)
    try:
        whole = der.element(data, 0, len(data))
        first = der.element(data, whole.content, whole.end)
    except CertificateError as error:
        raise MalformedUploadError("The DER in the upload is damaged.") from error
    if first.tag == der.INTEGER:
        if data[first.start : first.end] == _PKCS12_VERSION or first.end - first.content == 1:
            raise PrivateKeyInUploadError("The upload holds a private key. It was not kept; please replace that key.")
        raise MalformedUploadError("The upload holds something that is not a certificate.")
    if whole.tag != der.SEQUENCE or first.tag != der.SEQUENCE:
        raise MalformedUploadError("The upload holds something that is not a certificate.")
    return [data]


def _read_cms(data: bytes) -> list[bytes]:
    """A certs-only SignedData (RFC 5652 section 5.1, RFC 8551 section 3.8), read in a process of its own."""
    try:
        problem, found = _CELL.run(f"{_MODULE}:certificates", None, data)
    except IsolationError as error:
        raise MalformedUploadError("The PKCS#7 in the upload is damaged.") from error
    if problem:
        raise MalformedUploadError(_PROBLEMS[problem])
    if any(len(certificate) > MOST_OCTETS for certificate in found):
        raise UploadTooLargeError(f"A certificate has at most {MOST_OCTETS} octets.")
    return found
