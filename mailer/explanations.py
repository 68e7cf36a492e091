"""What the mailer's refusals mean to a reader, beside those of the directory."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from directory import explanations
from directory.errors import DirectoryError
from directory.x509.errors import X509Error
from mailer.proving import ForgedIssuerError
from mailer.replacing import AlreadyWaitingError
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


# Why a signed answer proves nothing; the codes are those of `mailer.answering`, `mailer.replacing` and `mailer.smime.outcomes`.
_ANSWERS: Mapping[str, Promise] = {
    "no_challenge": gettext_lazy("The signed text does not begin with the challenge, unquoted."),
    "other_signer": gettext_lazy("This was signed with another certificate than the one in question."),
    "not_signed": gettext_lazy("This is not signed: send a signed mail as it is, or the file that the command wrote."),
    "partly_signed": gettext_lazy("Only a part of this mail is signed: sign the whole mail."),
    "not_opened": gettext_lazy("This is encrypted. Sign it only."),
    "too_large": gettext_lazy("The answer is too large: at most 1 MB."),
    "legacy_algorithm": gettext_lazy("The signature uses an algorithm that is broken. Sign with SHA-256."),
    "wrong_usage": gettext_lazy("The certificate may not be used to sign mail."),
    "not_valid_then": gettext_lazy("The certificate has expired or is not valid yet."),
    "revoked": gettext_lazy("The certificate was revoked."),
    "erased_key": gettext_lazy("What this address had was erased: no key can agree, and the 48 hours have to pass."),
    "no_key_left": gettext_lazy("What it would replace has ended: no key can agree, and the 48 hours have to pass."),
}


def explain_answer(outcome: str) -> str:
    """Why a signed answer proves nothing, in the active language."""
    return str(_ANSWERS.get(outcome, gettext_lazy("The signature cannot be read or does not hold.")))


def explain(error: X509Error | DirectoryError) -> str:
    """The error in the active language."""
    if isinstance(error, ForgedIssuerError):
        return _("The certificate names our certificate authority as its issuer, which has not issued it.")
    if isinstance(error, SeveralAddressesError):
        return _("The certificate names several addresses. Say which one is meant with “email”.")
    if isinstance(error, AlreadyWaitingError):
        return _("This certificate waits to replace another already. It is published 48 hours after it was proven.")
    return explanations.explain(error)


def explain_refusal(error: SmimeError) -> str:
    """Why a message cannot be built, in the active language."""
    if isinstance(error, TooLarge) and error.field == "subject":
        return _("Too long: a subject has at most 998 characters.")
    if error.field.endswith("/filename"):
        return _("A file name has 1 to 255 characters, more than dots, no folders, no line breaks and no marks that turn the writing direction.")
    return str(_REFUSALS.get(error.code, gettext_lazy("This cannot be accepted.")))
