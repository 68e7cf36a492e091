"""What a named error means to a reader, in the reader's language: the errors themselves are plain English for logs."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from directory.errors import DirectoryError
from directory.x509.errors import UnknownCriticalExtensionError, X509Error

_WORDS: Mapping[str, Promise] = {
    "malformed_address": _("This is not an e-mail address that the directory takes. It should look like name@example.com."),
    "malformed_domain": _("This is not a domain name that the directory takes. It should look like example.com."),
    "empty_upload": _("The file holds no certificate."),
    "upload_too_large": _("The file is too large: at most 1 MB, and 16 KB for each certificate in it."),
    "malformed_upload": _("The file is not a certificate in PEM, DER or PKCS#7 form, or it is damaged."),
    "private_key_in_upload": _("The file holds a private key. We did not keep it. Please make a new key: this one has left your hands."),
    "too_many_certificates": _("The file holds too many certificates: at most 20."),
    "certificate_too_large": _("The certificate is too large: at most 16 KB."),
    "malformed_certificate": _("The certificate does not follow RFC 5280 and cannot be read."),
    "malformed_serial": _("The certificate's serial number must be a positive number of at most 20 octets."),
    "malformed_extension": _("The certificate has an extension that cannot be read, or has one twice."),
    "malformed_key": _("The certificate's public key cannot be read."),
    "unsupported_key": _("Mail programs cannot work with this kind of key. Use RSA of 2048 to 4096 bits with the exponent 65537, P-256 or P-384."),
    "weak_key": _("The key is too short or known to be weak. Please make a new one."),
    "no_mail_usage": _("The certificate may be used neither to sign nor to encrypt mail."),
    "authority_certificate": _("This is the certificate of a certificate authority, not of a mailbox."),
    "no_address": _("The certificate names no e-mail address."),
    "wrong_address": _("The certificate names another e-mail address."),
    "unknown_critical_extension": _("The certificate has a critical extension that mail programs do not know: they must refuse it."),
    "out_of_time": _("The certificate has expired or is not valid yet."),
    "revoked_certificate": _("The certificate was revoked and cannot be published again."),
    "revoked_issuer": _("An authority that stands above this certificate was revoked, so nobody can rely on it. Please get one from another."),
    "ended_certificate": _("The owner took this certificate out of the directory, or did not answer the yearly question. Only they bring it back."),
    "too_many_published": _("This mailbox has the most certificates that one can have. Revoke one that is no longer needed."),
    "duplicate_organization": _("There is an organisation with this identifier already."),
    "suspended_organization": _("The organisation is suspended."),
    "over_quota": _("That is more look-ups than one may make in a minute. Please wait a little; with a token you may make more."),
    "bad_token_request": _("A token needs a name, at least one scope and a lifetime of 1 to 730 days."),
    "bad_token": _("The token is not valid, has expired, or was revoked."),
    "bad_source": _("This is no address from which a CRL is fetched."),
    "unknown_authority": _("The trust store has no such authority and no such address of a CRL."),
    "illegal_move": _("This can no longer be done: the status has changed meanwhile."),
}


def explain(error: X509Error | DirectoryError) -> str:
    """The error in the active language, with the extension that it is about; one without words of its own is called malformed or refused."""
    words = str(_WORDS.get(error.code, _("This cannot be accepted.")))
    return f"{words} ({error.oid})" if isinstance(error, UnknownCriticalExtensionError) and error.oid else words
