"""The log of accounts."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from onboarding.people.models import PersonEvent, User

# Verb: icon and words.
WORDS: Mapping[str, tuple[str, Promise]] = {
    "address_confirmed": ("check", _("Address confirmed")),
    "staff_created": ("user", _("Account made by an operator")),
    "registration_repeated": ("info", _("Somebody registered with this address again")),
    "second_factor_enrolled": ("key", _("Second factor switched on")),
    "recovery_codes_made": ("key", _("Recovery codes made")),
    "recovery_code_used": ("warn", _("Signed in with a recovery code")),
    "signed_in": ("user", _("Signed in")),
}


class Line(NamedTuple):
    """One line of an account's log, as it is shown."""

    icon: str
    words: str | Promise
    at: datetime


def log_of(user: User, *, most: int) -> list[Line]:
    """What happened in an account, newest first."""
    return [Line(*_look(event.verb), event.at) for event in user.events.order_by("-id")[:most]]


def _look(verb: str) -> tuple[str, str | Promise]:
    return WORDS.get(verb, ("dash", verb))


def record(*, user: User, verb: str, actor: str, at: datetime, **detail: str | int) -> PersonEvent:
    """Write what changed, in the transaction of the change."""
    return PersonEvent.objects.create(user=user, verb=verb, actor=actor, at=at, detail=detail)
