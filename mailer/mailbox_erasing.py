"""Erasing what the directory and the ways into it hold of an address, by its owner's wish or the operator's.

(1) What waits to be published is stopped, and what was ever proven, asked or handed in for the address no longer names it.
(2) A certificate that our own CA issued for it is revoked: nobody could look it up any more to find out that it is not to be trusted.
(3) Mailbox and certificates leave the answers in the same transaction; fingerprints stay, so that what was revoked stays revoked.
(4) Two keyed hashes remain: of what is not to be collected or imported again, and of whom nobody is to write to unasked.

What an organisation sent to the address is its send log's (`mailer.erasing`); the CA's ledger keeps what it issued, as its rules demand.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from directory.events import record
from directory.models import Certificate, CertificateStatus, Change, Mailbox
from directory.publishing import erase
from mailer import proof_budget, publication_states, replacing, revoking
from mailer.ca.shards import Reason
from mailer.collecting import move as move_consent
from mailer.custody import cipher_of
from mailer.forgetting import keep_out, match_of_erased
from mailer.inviting import add_suppression
from mailer.models import (
    Consent,
    ConsentStatus,
    Invitation,
    Issuance,
    IssuanceStatus,
    Notice,
    OwnerLink,
    Publication,
    PublicationStatus,
)
from mailer.notices import PORTAL, forget_mails


@dataclass(frozen=True)
class AddressErasure:
    """How many certificates left the answers or what was kept of them, and how many of those were issued here and therefore revoked.

    `in_flight` mails of the portal are in a worker's hands and still name the address; they go within 30 days.
    """

    certificates: int
    revoked: int
    in_flight: int


@transaction.atomic
def erase_address(match: str, *, actor: str, at: datetime) -> AddressErasure:
    """Erase a folded address from the directory and from all that leads into it. May be repeated. Raises MissingKeyError."""
    # (1) Rows are locked in the order replacement, publication, mailbox, as their own verbs do.
    replacing.forget(match, actor=actor, at=at)
    _forget_publications(match, actor=actor, at=at)
    _forget_consents(match, actor=actor, at=at)
    Invitation.objects.filter(match=match, answered_at=None).update(answered_at=at)
    Invitation.objects.filter(match=match).update(address="", match="", secret_digest=None)
    OwnerLink.objects.filter(match=match).delete()
    forget_mails(match, kept_kinds=proof_budget.KINDS, kept_as=match_of_erased(match), at=at)
    # (2) and (3) of one mailbox.
    mailbox = Mailbox.objects.filter(match=match).first()
    certificates = list(mailbox.certificates.exclude(status=CertificateStatus.ERASED)) if mailbox else []
    revoked = sum(_revoke_if_issued_here(certificate, actor=actor, at=at) for certificate in certificates)
    had_live = False
    if mailbox is not None:
        erase(mailbox=mailbox, actor=actor, at=at)
        # What was live ended now. What was withdrawn just before counts as well (`replacing.replaced_by`).
        had_live = mailbox.certificates.filter(not_after__gt=at, ended_at__gt=at - replacing.WAIT).exists()
    Change.objects.filter(match=match, done_at=None).delete()  # also what was asked of an address that has no mailbox
    # (4) What keeps it out.
    keep_out(match, at=at, had_live=had_live)
    add_suppression(match, at=at)
    erasure = AddressErasure(len(certificates), revoked, Notice.objects.filter(match=match).count())
    digest = cipher_of(PORTAL).digest(match, context="erased")
    detail = {"certificates": erasure.certificates, "revoked": revoked, "in_flight": erasure.in_flight}
    record(actor=actor, verb="address.erased", subject=f"address:{digest}", at=at, detail=detail)
    return erasure


def issuance_of(certificate: Certificate) -> Issuance | None:
    """The ledger's line of a certificate that is issued and not revoked; None for one that was issued elsewhere."""
    # The ledger writes a serial number as a number, the directory as the octets of its DER.
    found = Issuance.objects.filter(serial=f"{int(certificate.serial or '0', 16):x}", status=IssuanceStatus.ISSUED).first()
    is_same = found is not None and found.certificate is not None and bytes(found.certificate) == bytes(certificate.der)
    return found if is_same else None


def _forget_publications(match: str, *, actor: str, at: datetime) -> None:
    # To the organisation that handed it in, an erasure looks like no answer.
    for publication in Publication.objects.select_for_update(of=("self",)).filter(match=match).order_by("id"):
        publication_states.move(publication, PublicationStatus.EXPIRED, actor=actor, at=at)
    blank: dict[str, object] = {
        "address": "",
        "match": "",
        "der": b"",
        "chain": [],
        "fingerprint": "",
        "secret_digest": None,
        "code_digest": "",
        "notice": None,
    }
    Publication.objects.filter(match=match).update(**blank)


def _forget_consents(match: str, *, actor: str, at: datetime) -> None:
    for consent in Consent.objects.filter(match=match, status=ConsentStatus.AWAITING_CONSENT).order_by("id"):
        move_consent(consent, ConsentStatus.REFUSED, actor=actor, at=at, answered_at=at)
    Consent.objects.filter(match=match).update(address="", match="", signer_der=b"", encryption_der=None, chain=[], notice=None)


def _revoke_if_issued_here(certificate: Certificate, *, actor: str, at: datetime) -> bool:
    issuance = issuance_of(certificate)
    if issuance is None:
        return False
    revoking.revoke(issuance_id=issuance.id, reason=Reason.CESSATION_OF_OPERATION, actor=actor, at=at)
    return True
