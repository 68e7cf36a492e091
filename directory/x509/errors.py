"""What can be wrong with an address, a key or a certificate: one class a cause, each with a stable `code`."""


class X509Error(Exception):
    """Base of all; the text is plain English for logs and programs, `code` is what translations and the API go by."""

    code = "malformed"


class AddressError(X509Error):
    """Not an address or domain this directory takes."""


class MalformedAddressError(AddressError):
    code = "malformed_address"


class MalformedDomainError(AddressError):
    code = "malformed_domain"


class UploadError(X509Error):
    """The upload as a whole cannot be read."""


class EmptyUploadError(UploadError):
    code = "empty_upload"


class UploadTooLargeError(UploadError):
    code = "upload_too_large"


class MalformedUploadError(UploadError):
    code = "malformed_upload"


class PrivateKeyInUploadError(UploadError):
    """The sender must be told at once: a key that left its owner's hands should be replaced."""

    code = "private_key_in_upload"


class TooManyCertificatesError(UploadError):
    code = "too_many_certificates"


class CertificateError(X509Error):
    """The certificate cannot be parsed."""


class CertificateTooLargeError(CertificateError):
    code = "certificate_too_large"


class MalformedCertificateError(CertificateError):
    code = "malformed_certificate"


class MalformedSerialError(CertificateError):
    """RFC 5280 section 4.1.2.2: a positive integer of at most 20 octets."""

    code = "malformed_serial"


class MalformedExtensionError(CertificateError):
    code = "malformed_extension"


class MalformedKeyError(CertificateError):
    code = "malformed_key"


class UnpublishableError(X509Error):
    """The certificate parses and still must not be published."""


class UnsupportedKeyError(UnpublishableError):
    code = "unsupported_key"


class WeakKeyError(UnpublishableError):
    code = "weak_key"


class KeyUsageError(UnpublishableError):
    """Key usage and extended key usage leave neither signing nor encrypting of mail."""

    code = "no_mail_usage"


class AuthorityCertificateError(UnpublishableError):
    code = "authority_certificate"


class NoAddressError(UnpublishableError):
    code = "no_address"


class WrongAddressError(UnpublishableError):
    code = "wrong_address"


class UnknownCriticalExtensionError(UnpublishableError):
    """RFC 5280 section 4.2: who does not know a critical extension must refuse the certificate."""

    code = "unknown_critical_extension"
    oid = ""

    def __init__(self, text: str, *, oid: str = "") -> None:
        super().__init__(text)
        self.oid = oid


class OutOfTimeError(UnpublishableError):
    code = "out_of_time"
