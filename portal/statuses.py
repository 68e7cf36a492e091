"""How a status looks: one mapping from status to tone and icon for everything that has a status; the word is the status's own.

The tone says who acts: `idle` nobody, `move` the house, `wait` somebody else, `bad` the reader, `ok` it is done.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from directory.models import CertificateStatus, OrganizationStatus
from mailer.models import IssuanceStatus, MessageStatus, PublicationStatus, SigningIdentityStatus
from onboarding.applications import STATUS_WORDS, CheckOutcome
from onboarding.states import Status


class Look(NamedTuple):
    """One status as it is drawn: an icon and a word, underlined by a tone."""

    tone: str
    icon: str
    word: str | Promise


MESSAGE: Mapping[str, tuple[str, str]] = {
    MessageStatus.QUEUED: ("idle", "clock"),
    MessageStatus.HELD: ("wait", "pause"),
    MessageStatus.SEALING: ("move", "fold"),
    MessageStatus.SEALED: ("move", "seal"),
    MessageStatus.HANDING: ("move", "arrow"),
    MessageStatus.HANDED: ("move", "arrow"),
    MessageStatus.DELIVERED: ("ok", "check"),
    MessageStatus.BOUNCED: ("bad", "return"),
    MessageStatus.FAILED: ("bad", "bad"),
    MessageStatus.EXPIRED: ("idle", "hourglass"),
    MessageStatus.CANCELLED: ("idle", "slash"),
    MessageStatus.UNKNOWN: ("wait", "help"),
}
APPLICATION: Mapping[str, tuple[str, str]] = {
    Status.DRAFT: ("idle", "file"),
    Status.SUBMITTED: ("move", "eye"),
    Status.WAITING: ("wait", "pause"),
    Status.SECOND_LOOK: ("move", "users"),
    Status.APPROVED: ("ok", "shield"),
    Status.REJECTED: ("bad", "bad"),
    Status.WITHDRAWN: ("idle", "slash"),
}
CHECK: Mapping[str, tuple[str, str]] = {
    CheckOutcome.PASS: ("ok", "check"),
    CheckOutcome.LOOK: ("wait", "eye"),
    CheckOutcome.FAIL: ("bad", "bad"),
}
CERTIFICATE: Mapping[str, tuple[str, str]] = {
    CertificateStatus.PUBLISHED: ("ok", "ok"),
    CertificateStatus.SUPERSEDED: ("idle", "slash"),
    CertificateStatus.REVOKED: ("bad", "bad"),
    CertificateStatus.ERASED: ("idle", "slash"),
}
IDENTITY: Mapping[str, tuple[str, str]] = {
    SigningIdentityStatus.PENDING: ("move", "half"),
    SigningIdentityStatus.ACTIVE: ("ok", "ok"),
    SigningIdentityStatus.RETIRED: ("idle", "slash"),
}
ISSUANCE: Mapping[str, tuple[str, str]] = {
    IssuanceStatus.INTENDED: ("idle", "clock"),
    IssuanceStatus.SIGNING: ("move", "half"),
    IssuanceStatus.ISSUED: ("ok", "ok"),
    IssuanceStatus.REFUSED: ("bad", "bad"),
    IssuanceStatus.REVOKED: ("bad", "slash"),
}
PUBLICATION: Mapping[str, tuple[str, str]] = {
    PublicationStatus.AWAITING_MAILBOX_PROOF: ("wait", "clock"),
    PublicationStatus.AWAITING_POSSESSION_PROOF: ("wait", "key"),
    PublicationStatus.PUBLISHED: ("ok", "ok"),
    PublicationStatus.REFUSED: ("bad", "bad"),
    PublicationStatus.EXPIRED: ("idle", "hourglass"),
}
ORGANIZATION: Mapping[str, tuple[str, str]] = {
    OrganizationStatus.ACTIVE: ("ok", "ok"),
    OrganizationStatus.SUSPENDED: ("bad", "pause"),
}
# A token has no status of its own: what is shown follows from its times.
TOKEN_WORDS: Mapping[str, Promise] = {
    "live": _("Live"),
    "expiring": _("Expires soon"),
    "expired": _("Expired"),
    "revoked": _("Revoked"),
}
TOKEN: Mapping[str, tuple[str, str]] = {
    "live": ("ok", "ok"),
    "expiring": ("wait", "clock"),
    "expired": ("idle", "hourglass"),
    "revoked": ("idle", "slash"),
}


# What can stand in the send log: the statuses, and what is no status of its own.
EVENTS: Mapping[str, tuple[str, str, Promise]] = {
    "accepted": ("idle", "clock", _("Accepted")),
    "invited": ("wait", "users", _("Recipient invited")),
    "released": ("move", "arrow", _("Released: there is a certificate now")),
    "retried": ("move", "return", _("Taken up again")),
    "deferred": ("wait", "hourglass", _("Put off: the other side asked to come again")),
    "delayed": ("wait", "hourglass", _("Delayed")),
    "gave_up": ("bad", "bad", _("Given up")),
    "not_handed": ("move", "return", _("Not handed over: to be tried again")),
    "in_doubt": ("wait", "help", _("In doubt: the other side did not answer")),
    "reconciled_handed": ("move", "search", _("Asked the relay: it was handed over")),
    "reconciled_not_taken": ("move", "search", _("Asked the relay: it was not taken")),
    "handed_late": ("move", "arrow", _("Handed over after all")),
}
# What the mailer notes as a code beside an event; what is no code is somebody else's words and shown as they are.
DETAILS: Mapping[str, Promise] = {
    "no_certificate": _("There is no certificate for this address."),
    "sender_cannot_sign": _("The sending address has no certificate that can sign now."),
}
SEALING_FAILED = "sealing_failed: "
KINDS: Mapping[str, tuple[Mapping[str, tuple[str, str]], Mapping[str, str | Promise]]] = {
    "message": (MESSAGE, {status.value: status.label for status in MessageStatus}),
    "application": (APPLICATION, {status.value: word for status, word in STATUS_WORDS.items()}),
    "check": (CHECK, {status.value: status.label for status in CheckOutcome}),
    "certificate": (CERTIFICATE, {status.value: status.label for status in CertificateStatus}),
    "identity": (IDENTITY, {status.value: status.label for status in SigningIdentityStatus}),
    "issuance": (ISSUANCE, {status.value: status.label for status in IssuanceStatus}),
    "publication": (PUBLICATION, {status.value: status.label for status in PublicationStatus}),
    "organization": (ORGANIZATION, {status.value: status.label for status in OrganizationStatus}),
    "token": (TOKEN, TOKEN_WORDS),
}


def look(status: str, kind: str = "message") -> Look:
    """The look of a status of this kind. KeyError for one that nobody gave a look: tests keep that from happening."""
    looks, words = KINDS[kind]
    tone, icon = looks[str(status)]
    return Look(tone, icon, words[str(status)])


def event(name: str) -> Look:
    """The look of one line of the send log; a name that is neither a status nor known here is shown as it is."""
    if name in EVENTS:
        return Look(*EVENTS[name])
    if name in MESSAGE:
        return look(name)
    return Look("idle", "dash", name)


def detail(text: str) -> str | Promise:
    """What is told beside a line of the send log."""
    if text.startswith(SEALING_FAILED):
        return gettext("The message could not be sealed (%(code)s).") % {"code": text.removeprefix(SEALING_FAILED)}
    return DETAILS.get(text, text)
