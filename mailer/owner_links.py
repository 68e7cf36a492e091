"""Mailed links to what an owner may do with their mailbox.

1. Whoever asks gets the same answer, whatever is known of the address, and one mail goes to it; there are three in 24 hours
   (`mailer.proof_budget`).
2. The link opens for 24 hours, and shows and changes that mailbox alone. A GET changes nothing.
3. A link of the yearly question (`mailer.reverifying`) that is too old can be changed for a new one, which is mailed to the same address.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from directory.events import record
from directory.x509.names import EmailAddress
from mailer.inviting import SECRET_BYTES, digest_of
from mailer.models import LinkPurpose, OwnerLink
from mailer.notices import send_notice
from mailer.proof_budget import spent

LIFETIME = timedelta(hours=24)
# Long enough to say that a link is too old, and for the yearly question to be changed for a new one.
KEPT = {LinkPurpose.PAGE: timedelta(days=7), LinkPurpose.REVERIFY: timedelta(days=60)}
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
def mail_link(address: EmailAddress, *, actor: str, at: datetime) -> OwnerLink | None:
    """(1) Mail a link to the owner's page; None where the address has had its mails, which whoever asked is not told."""
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
