"""What a check's code says to a person."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

NAMES: Mapping[str, Promise] = {
    "domain": _("Control of the domain"),
    "register": _("Register number"),
    "duplicates": _("Duplicates"),
    "documents": _("Evidence"),
}
FINDINGS: Mapping[str, Promise] = {
    "value_seen": _("The value stands at %(name)s"),
    "value_missing": _("There is no TXT record at %(name)s"),
    "value_differs": _("The TXT record at %(name)s has another value"),
    "name_unknown": _("The domain %(domain)s does not exist"),
    "no_answer": _("The name servers of %(domain)s do not answer"),
    "public_mail": _("%(domain)s belongs to a provider of mailboxes: a value there proves nothing"),
    "number_fits": _("%(identifier)s has the form of its register"),
    "number_unchecked": _("No check is known for registers of this country: compare %(identifier)s with the evidence"),
    "lei_unchecked": _("The checksum of %(identifier)s is right: its status is to be looked up at GLEIF"),
    "number_wrong": _("The number is not one of its register"),
    "no_duplicate": _("No other organisation has %(identifier)s"),
    "already_validated": _("%(name)s is validated with the same identifier"),
    "also_applied": _("Another application claims %(identifier)s"),
    "domain_taken": _("%(name)s sends from the same domain"),
    "documents_plain": _("Nothing in the files runs or opens by itself"),
    "documents_active": _("%(files)s: has parts that run or open by themselves, or files inside"),
    "documents_locked": _("%(files)s: is encrypted, so that nobody can look into it"),
    "documents_missing": _("There is no document"),
}


def say(code: str, facts: Mapping[str, str]) -> str:
    """A finding in words; a code without words is shown as it is."""
    return str(FINDINGS[code]) % facts if code in FINDINGS else code
