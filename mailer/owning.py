"""What the owner of a mailbox does on the page behind the mailed link: see, hide, withdraw, revoke, stop, refuse, erase.

Each change is by `owner:<id of the link>`, leaves its event in its own transaction, and shows once more that the mailbox is read. Whatever is
named that is not of the link's own mailbox is not there (NotOwnedError).
What takes a certificate out of the answers is told to the mailbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from directory import publishing
from directory.events import record
from directory.models import Certificate, CertificateStatus, Mailbox
from directory.x509.names import EmailAddress
from mailer import replacing, revoking
from mailer.ca.shards import Reason
from mailer.forgetting import is_erased
from mailer.inviting import add_suppression, is_suppressed
from mailer.mailbox_erasing import AddressErasure, erase_address, issuance_of
from mailer.models import OwnerLink, Publication, Replacement, ReplacementStatus
from mailer.notices import LAST_MAIL, send_notice
from mailer.owner_links import AWAITING, actor_of


class OwningError(Exception):
    """The root of why an owner's change is not made."""


class NotOwnedError(OwningError):
    """There is no such thing in this mailbox."""


@dataclass(frozen=True)
class Owned:
    """All that is kept of one mailbox, newest first. `mailbox` is None where nothing was ever published for it."""

    mailbox: Mailbox | None
    certificates: tuple[Certificate, ...]
    replacements: tuple[Replacement, ...]
    awaiting: tuple[Publication, ...]
    is_left_alone: bool
    is_erased: bool


def what_is_owned(match: str, *, at: datetime) -> Owned:
    """What the directory and the ways into it hold of a folded address."""
    mailbox = Mailbox.objects.filter(match=match).first()
    certificates = Certificate.objects.filter(mailbox=mailbox).exclude(status=CertificateStatus.ERASED) if mailbox else Certificate.objects.none()
    return Owned(
        mailbox,
        tuple(certificates.select_related("organization").order_by("-published_at", "-id")),
        tuple(Replacement.objects.filter(match=match, status=ReplacementStatus.WAITING).order_by("publish_at")),
        tuple(Publication.objects.filter(match=match, status__in=AWAITING, expires_at__gt=at).select_related("organization").order_by("-created_at")),
        is_suppressed(match),
        is_erased(match),
    )


@transaction.atomic
def set_hidden(link: OwnerLink, *, hidden: bool, at: datetime) -> None:
    """Answer for the mailbox as if it were not known, or again as before. Raises NotOwnedError where nothing was published."""
    mailbox = Mailbox.objects.filter(match=link.match).first()
    if mailbox is None:
        raise NotOwnedError
    change = publishing.hide if hidden else publishing.show
    change(mailbox=mailbox, actor=actor_of(link), at=at)
    publishing.note_proof(match=link.match, at=at)


@transaction.atomic
def withdraw(link: OwnerLink, certificate: int, *, at: datetime) -> Certificate:
    """Take one certificate out of the answers; it can be published again. Raises NotOwnedError, IllegalMoveError."""
    found = _certificate(link, certificate)
    publishing.supersede(certificate=found, actor=actor_of(link), at=at)
    publishing.note_proof(match=link.match, at=at)
    _tell(link, "withdrawn", [found], at=at)
    return found


@transaction.atomic
def revoke(link: OwnerLink, certificate: int, *, reason: Reason, at: datetime) -> Certificate:
    """Take one certificate out of the answers for ever; of one that was issued here the next CRL tells. Raises NotOwnedError, IllegalMoveError."""
    found = _certificate(link, certificate)
    issuance = issuance_of(found)
    if issuance is not None:
        revoking.revoke(issuance_id=issuance.id, reason=reason, actor=actor_of(link), at=at)
        found.refresh_from_db()
    if found.status != CertificateStatus.REVOKED or issuance is None:
        publishing.revoke(certificate=found, reason=reason, actor=actor_of(link), at=at)
    publishing.note_proof(match=link.match, at=at)
    _tell(link, "revoked", [found], at=at)
    return found


@transaction.atomic
def stop_replacement(link: OwnerLink, replacement: UUID, *, at: datetime) -> Replacement:
    """A certificate that waits is not published. Raises NotOwnedError, and EndedReplacementError where it waits no more."""
    if not Replacement.objects.filter(pk=replacement, match=link.match).exists():
        raise NotOwnedError
    stopped = replacing.stop_waiting(replacement, actor=actor_of(link), at=at)
    publishing.note_proof(match=link.match, at=at)
    return stopped


@transaction.atomic
def refuse_collecting(link: OwnerLink, *, at: datetime) -> None:
    """Never write to this mailbox unasked again: no invitation, and no question about certificates out of signed mail. May be repeated."""
    if add_suppression(link.match, at=at):
        record(actor=actor_of(link), verb="owner.never_again", subject=f"owner_link:{link.id}", at=at)
    publishing.note_proof(match=link.match, at=at)


@transaction.atomic
def erase(link: OwnerLink, *, at: datetime) -> AddressErasure:
    """Erase the mailbox and all that leads into it; the link goes with it. Raises MissingKeyError."""
    erasure = erase_address(link.match, actor=actor_of(link), at=at)
    if erasure.certificates:
        _tell(link, "erased", [], at=at)
    return erasure


def _tell(link: OwnerLink, what: str, certificates: Sequence[Certificate], *, at: datetime) -> None:
    """Mail the mailbox what was done: whoever reads it for some minutes must not do that unseen. The last mail of an erased one keeps no address."""
    context = {"what": what, "address": link.address, "certificates": certificates, "url": urljoin(settings.LETTERLOCK_URL, reverse("publish"))}
    kind = LAST_MAIL if what == "erased" else "owner_change"
    send_notice(to=EmailAddress.parse(link.address), kind=kind, template="owner_change", context=context, actor=actor_of(link), at=at)


def _certificate(link: OwnerLink, certificate: int) -> Certificate:
    found = Certificate.objects.filter(pk=certificate, mailbox__match=link.match).exclude(status=CertificateStatus.ERASED).first()
    if found is None:
        raise NotOwnedError
    return found
