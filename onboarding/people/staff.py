"""Accounts of the desk: made by whoever may run commands, with a second factor from the start."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from directory.x509.names import EmailAddress
from onboarding.people.events import record
from onboarding.people.models import StaffRole, StaffRoleName, User
from onboarding.people.second_factor import secret_of


class AccountExistsError(Exception):
    """The address has an account already."""


def create_staff(
    *,
    address: EmailAddress,
    name: str,
    password: str,
    roles: Iterable[StaffRoleName],
    superuser: bool,
    language: str = "en",
    actor: str,
    at: datetime,
) -> tuple[User, str]:
    """A confirmed account with its roles and an authenticator; returns it and the secret to type in there.

    An operator may use the administration. Raises AccountExistsError.
    """
    names = sorted(set(roles))
    with transaction.atomic():
        if User.objects.filter(email=address.match).exists():
            raise AccountExistsError(address.match)
        user = User.objects.create_user(
            address.match,
            password,
            name=name,
            language=language,
            is_staff=superuser or StaffRoleName.OPERATOR in names,
            is_superuser=superuser,
            email_confirmed_at=at,
            date_joined=at,
        )
        StaffRole.objects.bulk_create(StaffRole(user=user, role=role) for role in names)
        device = TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)
        record(user=user, verb="staff_created", actor=actor, at=at, roles=",".join(names))
    return user, secret_of(device)
