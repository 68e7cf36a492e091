"""Inviting who has no certificate: one budget a mailbox across all senders, and a list of those who said "never again".

At most one mail in 7 days and three unanswered ever, invitations and questions for consent (`mailer.collecting`) counted together.
The mail says who asks and how well that is known, and nothing of what waits.
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
from mailer.models import Consent, ConsentStatus, Invitation, Suppression
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
    if not ask_budget(address, at=at):
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


def ask_budget(address: EmailAddress, *, at: datetime) -> bool:
    """Whether a mailbox may be written to unasked; to be called in the transaction that then writes, which it makes wait for others that ask."""
    lock_mailbox(address.match, purpose="invite")
    return not is_suppressed(address.match) and not _budget_spent(address.match, at=at)


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
    if add_suppression(invitation.match, at=at):
        record(actor=f"invitation:{invitation.id}", verb="invitation.never_again", subject=f"invitation:{invitation.id}", at=at)


def add_suppression(match: str, *, at: datetime) -> bool:
    """Never write to a mailbox unasked again; False if that was so before. The caller leaves the event."""
    _entry, is_new = Suppression.objects.get_or_create(digest=_keyed(match), defaults={"at": at})
    return is_new


def is_suppressed(match: str) -> bool:
    return Suppression.objects.filter(digest=_keyed(match)).exists()


def answer_invitations(match: str, *, at: datetime) -> None:
    """The mailbox has published a certificate: what it was asked is no longer unanswered."""
    Invitation.objects.filter(match=match, answered_at=None).update(answered_at=at)
    Consent.objects.filter(match=match, answered_at=None, status=ConsentStatus.EXPIRED).update(answered_at=at)


def digest_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _budget_spent(match: str, *, at: datetime) -> bool:
    # A question for consent that was mailed has a secret; those that were not mailed cost nothing.
    asked = [Invitation.objects.filter(match=match), Consent.objects.filter(match=match, secret_digest__isnull=False)]
    recent = any(earlier.filter(created_at__gt=at - ONE_IN).exists() for earlier in asked)
    return recent or sum(earlier.filter(answered_at=None).count() for earlier in asked) >= MOST_UNANSWERED


def _keyed(match: str) -> str:
    return cipher_of(PORTAL).digest(match, context="suppression")


def _link(name: str, secret: str) -> str:
    return urljoin(settings.LETTERLOCK_URL, reverse(name, args=[secret]))
