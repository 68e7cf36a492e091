"""What happened to an application, as different readers may see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from onboarding.applications import Application, ApplicationEvent
from onboarding.people.models import User
from onboarding.states import Action

# Action: tone, icon, words. What is not here stays in the log and off the page.
LOOKS: Mapping[str, tuple[str, str, Promise]] = {
    "start": ("idle", "file", gettext_lazy("Begun")),
    Action.SUBMIT: ("move", "arrow", gettext_lazy("Sent to the reviewers")),
    "prove_domain": ("ok", "check", gettext_lazy("Domain proven")),
    Action.REQUEST_INFORMATION: ("wait", "pause", gettext_lazy("Information asked for; the clock stands still")),
    Action.ANSWER: ("move", "return", gettext_lazy("Answered; the clock runs again")),
    Action.APPROVE_FIRST: ("move", "users", gettext_lazy("First look given")),
    Action.APPROVE_SECOND: ("ok", "shield", gettext_lazy("Approved by two reviewers")),
    Action.REJECT: ("bad", "bad", gettext_lazy("Rejected")),
    Action.WITHDRAW: ("idle", "slash", gettext_lazy("Withdrawn")),
}
# What only the desk sees.
DESK: Mapping[str, tuple[str, str, Promise]] = {
    "claim": ("idle", "eye", gettext_lazy("Claimed")),
    "give_back": ("idle", "return", gettext_lazy("Given back")),
    "read_evidence": ("idle", "file", gettext_lazy("Document read")),
}


@dataclass(frozen=True)
class Line:
    tone: str
    icon: str
    word: Promise
    who: str
    text: str
    at: datetime


def timeline_of(application: Application, *, reader: User, desk: bool = False) -> list[Line]:
    """Oldest first. The applicant reads "the reviewers"; the desk reads names. A first look's reason is in the decisions, never here."""
    looks = {**LOOKS, **DESK} if desk else LOOKS
    events = [event for event in application.events.order_by("id") if event.action in looks]
    names = _names(events) if desk else {}
    return [Line(*looks[event.action], _who(event, application, reader, names), event.reason, event.at) for event in events]


def _who(event: ApplicationEvent, application: Application, reader: User, names: Mapping[str, str]) -> str:
    if event.actor == reader.actor:
        return _("you")
    if event.actor == application.applicant.actor:
        return application.applicant.name
    return names.get(event.actor) or _("the reviewers")


def _names(events: list[ApplicationEvent]) -> dict[str, str]:
    ids = {UUID(event.actor.removeprefix("user:")) for event in events if event.actor.startswith("user:")}
    return {person.actor: person.name for person in User.objects.filter(pk__in=ids)}
