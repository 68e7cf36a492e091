"""What the mailer's refusals of a certificate mean to a reader, beside those of the directory."""

from django.utils.translation import gettext as _

from directory import explanations
from directory.errors import DirectoryError
from directory.x509.errors import X509Error
from mailer.proving import SigningOnlyError
from mailer.uploads import SeveralAddressesError


def explain(error: X509Error | DirectoryError) -> str:
    """The error in the active language."""
    if isinstance(error, SigningOnlyError):
        return _("The certificate is for signing alone: no mail can be sealed to it. Upload the one for encryption.")
    if isinstance(error, SeveralAddressesError):
        return _("The certificate names several addresses. Say which one is meant with “email”.")
    return explanations.explain(error)
