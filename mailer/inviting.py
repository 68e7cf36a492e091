"""Inviting who has no certificate: one budget a mailbox across all senders, and a list of those who said "never again".

At most one invitation in 7 days and three unanswered ever. The mail says who asks and how well that is known, and nothing of what waits.
"""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from directory.events import record
from directory.models import Level, Organization, OrganizationStatus
from directory.x509.names import EmailAddress
from mailer.custody import cipher_of
from mailer.mailbox_lock import lock_mailbox
from mailer.models import Invitation, Suppression
from mailer.notices import PORTAL, send_notice

ONE_IN = timedelta(days=7)
MOST_UNANSWERED = 3
LIFETIME = timedelta(days=30)
SECRET_BYTES = 32


class InvitationError(Exception):
    """The link invites nobody."""


class UnknownInvitationError(InvitationError):
    pass


class ExpiredInvitationError(InvitationError):
    pass


@transaction.atomic
def invite(*, address: EmailAddress, organization: Organization, actor: str, at: datetime) -> Invitation | None:
    """Invite a mailbox on behalf of a validated organisation, unless its budget or its wish forbids it: then None, and nobody is told which."""
    if organization.status != OrganizationStatus.ACTIVE:
        return None
    lock_mailbox(address.match, purpose="invite")
    if _suppressed(address) or _budget_spent(address, at=at):
        return None
    secret = secrets.token_urlsafe(SECRET_BYTES)
    invitation = Invitation(
        organization=organization, address=address.address, match=address.match, secret_digest=digest_of(secret), actor=actor, created_at=at
    )
    invitation.notice = send_notice(
        to=address,
        kind="invitation",
        context={
            "organization": organization,
            "level": Level.V4,
            "url": _link("invitation", secret),
            "never_url": _link("invitation-never", secret),
        },
        actor=actor,
        at=at,
        unsubscribe=_link("invitation-never", secret),
    )
    invitation.save(force_insert=True)
    record(actor=actor, verb="invitation.sent", subject=f"invitation:{invitation.id}", organization=organization, at=at)
    return invitation


def find_invitation(secret: str, *, at: datetime) -> Invitation:
    """The invitation of a mailed link. Raises UnknownInvitationError, ExpiredInvitationError."""
    invitation = Invitation.objects.select_related("organization").filter(secret_digest=digest_of(secret)).first()
    if invitation is None:
        raise UnknownInvitationError
    if at - invitation.created_at > LIFETIME:
        raise ExpiredInvitationError
    return invitation


@transaction.atomic
def suppress(secret: str, *, at: datetime) -> None:
    """Never invite the mailbox of this link again; may be repeated, and works for ever. Raises UnknownInvitationError."""
    invitation = Invitation.objects.filter(secret_digest=digest_of(secret)).first()
    if invitation is None:
        raise UnknownInvitationError
    _entry, is_new = Suppression.objects.get_or_create(digest=_keyed(invitation.match), defaults={"at": at})
    if is_new:
        record(actor=f"invitation:{invitation.id}", verb="invitation.never_again", subject=f"invitation:{invitation.id}", at=at)


def answer_invitations(match: str, *, at: datetime) -> None:
    """The mailbox has published a certificate: its invitations are no longer unanswered."""
    Invitation.objects.filter(match=match, answered_at=None).update(answered_at=at)


def digest_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _budget_spent(address: EmailAddress, *, at: datetime) -> bool:
    earlier = Invitation.objects.filter(match=address.match)
    return earlier.filter(created_at__gt=at - ONE_IN).exists() or earlier.filter(answered_at=None).count() >= MOST_UNANSWERED


def _suppressed(address: EmailAddress) -> bool:
    return Suppression.objects.filter(digest=_keyed(address.match)).exists()


def _keyed(match: str) -> str:
    return cipher_of(PORTAL).digest(match, context="suppression")


def _link(name: str, secret: str) -> str:
    return urljoin(settings.LETTERLOCK_URL, reverse(name, args=[secret]))
