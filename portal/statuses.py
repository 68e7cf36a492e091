"""How a status looks: one table from status to tone and icon for everything that has a status; the word is the status's own.

The tone says who acts: `idle` nobody, `move` the house, `wait` somebody else, `bad` the reader, `ok` it is done.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from directory.models import CertificateStatus, OrganizationStatus
from mailer.models import IssuanceStatus, MessageStatus, PublicationStatus, SigningIdentityStatus
from onboarding.applications import STATUS_WORDS, CheckOutcome
from onboarding.states import Status
from portal.receipts import receipt_of


class Look(NamedTuple):
    """One status as it is drawn: an icon and a word, underlined by a tone."""

    tone: str
    icon: str
    word: str | Promise


Looks: TypeAlias = Mapping[str, Look]


def _looks(drawn: Mapping[Any, tuple[str, str]], words: Mapping[Any, str | Promise] | None = None) -> Looks:
    """Tone and icon of each status beside its word: the enumeration's own label, unless `words` has them."""
    return {status.value: Look(*drawn[status], status.label if words is None else words[status]) for status in drawn}


# Letters whose reader will not get them, unless they are sent anew.
NOT_DELIVERED = (MessageStatus.BOUNCED, MessageStatus.FAILED, MessageStatus.EXPIRED)
KINDS: Mapping[str, Looks] = {
    "message": _looks(
        {
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
        },
    ),
    "application": _looks(
        {
            Status.DRAFT: ("idle", "file"),
            Status.SUBMITTED: ("move", "eye"),
            Status.WAITING: ("wait", "pause"),
            Status.SECOND_LOOK: ("move", "users"),
            Status.APPROVED: ("ok", "shield"),
            Status.REJECTED: ("bad", "bad"),
            Status.WITHDRAWN: ("idle", "slash"),
        },
        STATUS_WORDS,
    ),
    "check": _looks(
        {
            CheckOutcome.PASS: ("ok", "check"),
            CheckOutcome.LOOK: ("wait", "eye"),
            CheckOutcome.FAIL: ("bad", "bad"),
        },
    ),
    "certificate": _looks(
        {
            CertificateStatus.PUBLISHED: ("ok", "ok"),
            CertificateStatus.SUPERSEDED: ("idle", "slash"),
            CertificateStatus.REVOKED: ("bad", "bad"),
            CertificateStatus.ERASED: ("idle", "slash"),
        },
    ),
    "identity": _looks(
        {
            SigningIdentityStatus.PENDING: ("move", "half"),
            SigningIdentityStatus.ACTIVE: ("ok", "ok"),
            SigningIdentityStatus.RETIRED: ("idle", "slash"),
        },
    ),
    "issuance": _looks(
        {
            IssuanceStatus.INTENDED: ("idle", "clock"),
            IssuanceStatus.SIGNING: ("move", "half"),
            IssuanceStatus.ISSUED: ("ok", "ok"),
            IssuanceStatus.REFUSED: ("bad", "bad"),
            IssuanceStatus.REVOKED: ("bad", "slash"),
        },
    ),
    "publication": _looks(
        {
            PublicationStatus.AWAITING_MAILBOX_PROOF: ("wait", "clock"),
            PublicationStatus.AWAITING_POSSESSION_PROOF: ("wait", "key"),
            PublicationStatus.WAITING: ("wait", "hourglass"),
            PublicationStatus.PUBLISHED: ("ok", "ok"),
            PublicationStatus.REFUSED: ("bad", "bad"),
            PublicationStatus.EXPIRED: ("idle", "hourglass"),
        },
    ),
    "organization": _looks(
        {
            OrganizationStatus.ACTIVE: ("ok", "ok"),
            OrganizationStatus.SUSPENDED: ("bad", "pause"),
        },
    ),
    # A token has no status of its own: what is shown follows from its times.
    "token": {
        "live": Look("ok", "ok", _("Live")),
        "expiring": Look("wait", "clock", _("Expires soon")),
        "expired": Look("idle", "hourglass", _("Expired")),
        "revoked": Look("idle", "slash", _("Revoked")),
    },
}
# What can stand in the send log beside the statuses.
EVENTS: Looks = {
    "accepted": Look("idle", "clock", _("Accepted")),
    "invited": Look("wait", "users", _("Recipient invited")),
    "released": Look("move", "arrow", _("Released: there is a certificate now")),
    "retried": Look("move", "return", _("Taken up again")),
    "deferred": Look("wait", "hourglass", _("Put off: the other side asked to come again")),
    "delayed": Look("wait", "hourglass", _("Delayed")),
    "gave_up": Look("bad", "bad", _("Given up")),
    "not_handed": Look("move", "return", _("Not handed over: to be tried again")),
    "in_doubt": Look("wait", "help", _("In doubt: the other side did not answer")),
    "reconciled_handed": Look("move", "search", _("Asked the relay: it was handed over")),
    "reconciled_not_taken": Look("move", "search", _("Asked the relay: it was not taken")),
    "restored_handed": Look("move", "search", _("Asked the relay after a backup was restored: it was handed over")),
    "removed_by_relay": Look("bad", "slash", _("Removed from the relay's queue by those who run it")),
    "handed_late": Look("move", "arrow", _("Handed over after all")),
    "recipient_erased": Look("idle", "slash", _("Recipient erased")),
}
# What the mailer notes as a code beside an event; what is no code is somebody else's words and shown as they are.
DETAILS: Mapping[str, Promise] = {
    "no_certificate": _("There is no certificate for this address."),
    "recipient_erased": _("The recipient asked to be forgotten."),
    "sender_cannot_sign": _("The sending address has no certificate that can sign now."),
}
SEALING_FAILED = "sealing_failed: "


def look(status: str, kind: str = "message") -> Look:
    """The look of a status of this kind. KeyError for one that nobody gave a look: tests keep that from happening."""
    return KINDS[kind][str(status)]


def event(name: str) -> Look:
    """The look of one line of the send log; a name that is neither a status nor known here is shown as it is."""
    return EVENTS.get(name) or KINDS["message"].get(name) or Look("idle", "dash", name)


def detail(text: str) -> str | Promise:
    """What is told beside a line of the send log."""
    if text.startswith(SEALING_FAILED):
        return gettext("The message could not be sealed (%(code)s).") % {"code": text.removeprefix(SEALING_FAILED)}
    receipt = receipt_of(text)
    return receipt.algorithms if receipt else DETAILS.get(text, text)
