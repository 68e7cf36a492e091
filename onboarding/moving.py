"""How an application's status changes, and how what happens to it is written down. Nothing else sets a status."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import F

from onboarding.applications import Application, ApplicationEvent
from onboarding.states import Action, Status, after


class StaleApplicationError(Exception):
    """Somebody else moved the application since it was read."""


class NotOpenError(Exception):
    """The application is with the reviewers, or decided: its applicant cannot change it."""


def move(
    application: Application, action: Action, *, actor: str, at: datetime, reason: str = "", changes: Mapping[str, object] | None = None
) -> None:
    """Change the status, and the fields in `changes`, by compare-and-set on status and version as they were read; leave an event with it.

    Raises states.WrongStateError where the table has no such line, StaleApplicationError where another move came first.
    """
    before = Status(application.status)
    to = after(before, action)
    unchanged = Application.objects.filter(pk=application.pk, status=before, version=application.version)
    if not unchanged.update(status=to, version=F("version") + 1, **(changes or {})):
        raise StaleApplicationError
    _write(application, action, actor=actor, at=at, reason=reason, before=before, to=to)
    application.refresh_from_db()


def note(application: Application, action: str, *, actor: str, at: datetime, reason: str = "") -> None:
    """Leave an event of something that is no move: a claim, a document, a changed answer."""
    _write(application, action, actor=actor, at=at, reason=reason, before="", to="")


def _write(application: Application, action: str, *, actor: str, at: datetime, reason: str, before: str, to: str) -> None:
    ApplicationEvent.objects.create(application=application, action=action, actor=actor, at=at, reason=reason, from_status=before, to_status=to)
