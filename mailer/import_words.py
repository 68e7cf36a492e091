"""What the refusals of an import mean to the operator, beside those of certificates."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from directory.errors import DirectoryError
from directory.x509.errors import X509Error
from mailer.explanations import explain

_WORDS: Mapping[str, Promise] = {
    "malformed_entry": _("This entry cannot be read: a row without a certificate, a header without “email” and “certificate”, or a change."),
    "entry_too_long": _("This entry is too long: at most 128 KB a line and a value."),
    "remote_value": _("The value is given as an address. Nothing is fetched: put the certificate into the file."),
    "address_missing": _("This entry has a certificate and no address."),
    "erased": _("The owner of this address had it erased. Only their own proof brings it back."),
    "replaces_live": _("The mailbox has a live certificate that its owner proved or that was issued here. An import does not replace it."),
}


def explain_entry(error: X509Error | DirectoryError) -> str:
    """The error in the active language."""
    words = _WORDS.get(error.code)
    return explain(error) if words is None else str(words)
