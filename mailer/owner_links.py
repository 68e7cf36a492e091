"""Mailed links to what an owner may do with their mailbox.

1. Whoever asks gets the same answer, whatever is known of the address. A mail goes to one of which the directory, or a way into it, holds
   something; there are three in 24 hours (`mailer.proof_budget`). Where none goes, as much is done, so that time does not tell.
2. The link opens for 24 hours, and shows and changes that mailbox alone. A GET changes nothing.
3. A link of the yearly question (`mailer.reverifying`) that is too old can be changed for a new one, which is mailed to the same address.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urljoin
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from directory.events import record
from directory.models import Mailbox
from directory.x509.names import EmailAddress
from mailer.inviting import SECRET_BYTES, digest_of
from mailer.models import Consent, ConsentStatus, LinkPurpose, OwnerLink, Publication, PublicationStatus, Replacement, ReplacementStatus
from mailer.notices import send_notice
from mailer.proof_budget import spent
from mailer.waking import wake_outbox

LIFETIME = timedelta(hours=24)
# Long enough to say that a link is too old, and for the yearly question to be changed for a new one.
KEPT = {LinkPurpose.PAGE: timedelta(days=7), LinkPurpose.REVERIFY: timedelta(days=90)}
AWAITING = (PublicationStatus.AWAITING_MAILBOX_PROOF, PublicationStatus.AWAITING_POSSESSION_PROOF)
_ROUTES = {LinkPurpose.PAGE: "owner", LinkPurpose.REVERIFY: "owner-still-mine"}


class OwnerLinkError(Exception):
    """The root of why a link opens nothing."""


class UnknownOwnerLinkError(OwnerLinkError):
    """Nobody was sent this link, or its mailbox was erased with it."""


class ExpiredOwnerLinkError(OwnerLinkError):
    """`link` is older than 24 hours."""

    def __init__(self, link: OwnerLink) -> None:
        super().__init__("The link is older than 24 hours.")
        self.link = link


@transaction.atomic
def ask_link(address: EmailAddress, *, actor: str, at: datetime) -> OwnerLink | None:
    """(1) Mail a link to the owner's page if there is something on it and the address has not had its mails; which, nobody is told."""
    is_spent = spent(address.match, at=at)
    is_mailed = _is_known(address.match, at=at) and not is_spent
    with transaction.atomic():
        link = store_link(address, purpose=LinkPurpose.PAGE, kind="owner_link", context={}, actor=actor, at=at)
        transaction.set_rollback(not is_mailed)
    if not is_mailed:
        record(actor=actor, verb="owner_link.not_mailed", subject=f"owner_link:{uuid4()}", at=at)
        wake_outbox()
        return None
    return link


def _is_known(match: str, *, at: datetime) -> bool:
    waiting = Replacement.objects.filter(match=match, status=ReplacementStatus.WAITING)
    asked = Publication.objects.filter(match=match, status__in=AWAITING, expires_at__gt=at)
    contributed = Consent.objects.filter(match=match, status=ConsentStatus.AWAITING_CONSENT, expires_at__gt=at)
    # Each is asked, whatever the others say.
    return any([rows.exists() for rows in (Mailbox.objects.filter(match=match), waiting, asked, contributed)])  # noqa: C419


@transaction.atomic
def mail_link(address: EmailAddress, *, actor: str, at: datetime) -> OwnerLink | None:
    """Mail a link to the owner's page, whatever is known of the address; None where it has had its mails."""
    if spent(address.match, at=at):
        return None
    return store_link(address, purpose=LinkPurpose.PAGE, kind="owner_link", context={}, actor=actor, at=at)


def store_link(address: EmailAddress, *, purpose: LinkPurpose, kind: str, context: Mapping[str, object], actor: str, at: datetime) -> OwnerLink:
    """A new link and the mail that carries it, in the words of `templates/mail/<kind>`. Call inside the transaction that asked the budget."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    link = OwnerLink(
        address=address.address, match=address.match, purpose=purpose, secret_digest=digest_of(secret), created_at=at, expires_at=at + LIFETIME
    )
    url = urljoin(settings.LETTERLOCK_URL, reverse(_ROUTES[purpose], args=[secret]))
    given = {"address": address.address, "url": url, "hours": int(LIFETIME.total_seconds()) // 3600, **context}
    link.notice = send_notice(to=address, kind=kind, context=given, actor=actor, at=at)
    link.save(force_insert=True)
    record(actor=actor, verb="owner_link.mailed", subject=f"owner_link:{link.id}", at=at, detail={"purpose": purpose})
    return link


def find_link(secret: str, *, purpose: LinkPurpose, at: datetime) -> OwnerLink:
    """(2) The link with this secret. Raises UnknownOwnerLinkError, ExpiredOwnerLinkError."""
    link = OwnerLink.objects.filter(secret_digest=digest_of(secret), purpose=purpose).first()
    if link is None:
        raise UnknownOwnerLinkError
    if link.expires_at <= at:
        raise ExpiredOwnerLinkError(link)
    return link


def actor_of(link: OwnerLink) -> str:
    """Who a change through this link is by, for the event."""
    return f"owner:{link.id}"


def forget_links(*, at: datetime) -> int:
    """Delete the links that are long over: they name mailboxes. Returns how many."""
    return sum(OwnerLink.objects.filter(purpose=purpose, created_at__lt=at - kept).delete()[0] for purpose, kept in KEPT.items())
