"""What the mailer's refusals mean to a reader, beside those of the directory."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from directory import explanations
from directory.errors import DirectoryError
from directory.x509.errors import X509Error
from mailer.proving import ForgedIssuerError, SigningOnlyError
from mailer.smime.errors import SmimeError, TooLarge
from mailer.uploads import SeveralAddressesError

_REFUSALS: Mapping[str, Promise] = {
    "unsafe_character": gettext_lazy(
        "This holds a character that mail cannot carry here: a control character, a line break or the like. Leave it out."
    ),
    "address_refused": gettext_lazy("This is not an address that mail can be sent to or from. It should look like name@example.com."),
    "content_id_refused": gettext_lazy(
        "An inline image has an image type and a content id of its own, of letters, digits, dots, dashes and one @, which the HTML names as cid:."
    ),
    "media_type_refused": gettext_lazy("A media type looks like application/pdf, and is neither multipart nor message."),
    "too_large": gettext_lazy("Too large: a message has at most 10 MB and 50 attachments."),
}


def explain(error: X509Error | DirectoryError) -> str:
    """The error in the active language."""
    if isinstance(error, SigningOnlyError):
        return _("The certificate is for signing alone: no mail can be sealed to it. Upload the one for encryption.")
    if isinstance(error, ForgedIssuerError):
        return _("The certificate names our certificate authority as its issuer, which has not issued it.")
    if isinstance(error, SeveralAddressesError):
        return _("The certificate names several addresses. Say which one is meant with “email”.")
    return explanations.explain(error)


def explain_refusal(error: SmimeError) -> str:
    """Why a message cannot be built, in the active language."""
    if isinstance(error, TooLarge) and error.field == "subject":
        return _("Too long: a subject has at most 998 characters.")
    if error.field.endswith("/filename"):
        return _("A file name has 1 to 255 characters, more than dots, no folders, no line breaks and no marks that turn the writing direction.")
    return str(_REFUSALS.get(error.code, gettext_lazy("This cannot be accepted.")))
