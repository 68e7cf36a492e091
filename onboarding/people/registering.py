"""Registering: an account comes into being when its mailbox has answered, never before."""

import hashlib
import secrets
from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection, transaction
from django.urls import reverse

from directory.x509.names import EmailAddress
from mailer.notices import send_notice
from onboarding.people.events import record
from onboarding.people.models import EmailConfirmation, PersonEvent, User

LIFETIME = timedelta(hours=24)
MAILS_A_DAY = 3


class TooManyMailsError(Exception):
    """The address has been sent its three mails of the last 24 hours, with or without an account."""


class ConfirmationError(Exception):
    """The link confirms nothing."""


class UnknownConfirmationError(ConfirmationError):
    """No registration has this secret."""


class UsedConfirmationError(ConfirmationError):
    """The link was used, or the account was confirmed by another one."""


class ExpiredConfirmationError(ConfirmationError):
    """The link is older than 24 hours."""


class WrongPasswordError(ConfirmationError):
    """The link is opened elsewhere, and the password is not the one of this registration."""


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def register(*, address: EmailAddress, name: str, password: str, language: str, at: datetime) -> str:
    """Mail a link that confirms the address, or say that it has an account. Returns a mark for the browser's session.

    The answer and its cost are the same in both cases, so that nobody learns who has an account. Raises TooManyMailsError.
    """
    secret = secrets.token_urlsafe(32)
    hashed = make_password(password)
    with transaction.atomic():
        _lock(address)
        if _mails_sent(address, since=at - LIFETIME) >= MAILS_A_DAY:
            raise TooManyMailsError(address.match)
        user = User.objects.filter(email=address.match).first()
        if user is not None:
            record(user=user, verb="registration_repeated", actor="anonymous", at=at)
            context = {"name": user.name, "url": urljoin(settings.LETTERLOCK_URL, reverse("login"))}
            send_notice(to=address, kind="already_registered", context=context, language=user.language, at=at)
            return digest_of(secret)
        EmailConfirmation.objects.create(
            email=address.match, name=name, password=hashed, language=language, digest=digest_of(secret), created_at=at, expires_at=at + LIFETIME
        )
        # Without the name: what a stranger types there would otherwise be mailed to whomever they like.
        context = {"url": urljoin(settings.LETTERLOCK_URL, reverse("confirm", args=[secret]))}
        send_notice(to=address, kind="confirm_address", context=context, language=language, at=at)
    return digest_of(secret)


def find_confirmation(secret: str, *, at: datetime) -> EmailConfirmation:
    """The open registration of a link; raises a ConfirmationError that says why there is none."""
    confirmation = EmailConfirmation.objects.filter(digest=digest_of(secret)).first()
    if confirmation is None:
        raise UnknownConfirmationError
    if confirmation.used_at is not None:
        raise UsedConfirmationError
    if confirmation.expires_at <= at:
        raise ExpiredConfirmationError
    return confirmation


def confirm(secret: str, *, mark: str, password: str, at: datetime) -> User:
    """Make the account. The browser that registered shows its `mark`; any other must give the password chosen then.

    Else whoever registers a stranger's address would get an account there as soon as the stranger follows the mail.
    """
    confirmation = find_confirmation(secret, at=at)
    if not secrets.compare_digest(mark, confirmation.digest) and not check_password(password, confirmation.password):
        raise WrongPasswordError
    with transaction.atomic():
        if not EmailConfirmation.objects.filter(pk=confirmation.pk, used_at=None).update(used_at=at):
            raise UsedConfirmationError
        user, created = User.objects.get_or_create(
            email=confirmation.email,
            defaults={
                "name": confirmation.name,
                "password": confirmation.password,
                "language": confirmation.language,
                "email_confirmed_at": at,
                "date_joined": at,
            },
        )
        if not created:
            raise UsedConfirmationError
        # Other links to the same mailbox end with this one.
        EmailConfirmation.objects.filter(email=confirmation.email, used_at=None).update(used_at=at, password="")
        EmailConfirmation.objects.filter(pk=confirmation.pk).update(user=user, password="")
        record(user=user, verb="address_confirmed", actor=user.actor, at=at)
    return user


def forget_expired(*, at: datetime) -> int:
    """Delete registrations that are over, confirmed or not; returns how many. For a day after, a link still says what became of it."""
    return EmailConfirmation.objects.filter(expires_at__lt=at - LIFETIME).delete()[0]


def _lock(address: EmailAddress) -> None:
    # Two registrations of one address at once would each count the mails before the other's is written.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"register:{address.match}"])


def _mails_sent(address: EmailAddress, *, since: datetime) -> int:
    links = EmailConfirmation.objects.filter(email=address.match, created_at__gt=since).count()
    return links + PersonEvent.objects.filter(user__email=address.match, verb="registration_repeated", at__gt=since).count()
