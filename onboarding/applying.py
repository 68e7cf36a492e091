"""What an applicant does: begin, answer part by part, prove the domain, send, answer a question, withdraw."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from mailer.waking import wake
from onboarding import agreement, clock, letters
from onboarding.applications import OPEN_TO_APPLICANT, Application, ApplicationEvent, CheckOutcome, CheckResult, Scheme
from onboarding.checks.domain import PREFIX, DomainCheck
from onboarding.checks.running import keep
from onboarding.moving import NotOpenError, move, note
from onboarding.people.models import User
from onboarding.states import Action, Status

# What each part of the form asks for. Optional answers are not listed.
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "organisation": ("legal_name", "country", "scheme", "address", "time_zone"),
    "sending": ("domain", "sending_address"),
    "contact": ("contact_name", "contact_role", "contact_phone"),
}
PARTS = ("organisation", "sending", "domain", "contact", "evidence")


@dataclass(frozen=True)
class Part:
    """One line of the task list. `waiting` is begun and waits for the world; what is neither done nor waiting is to do."""

    name: str
    done: bool
    waiting: bool = False


class IncompleteError(Exception):
    """Parts of the application are not done; `parts` names them."""

    def __init__(self, parts: list[str]) -> None:
        super().__init__(", ".join(parts))
        self.parts = parts


class NotAgreedError(Exception):
    """The subscriber agreement was not accepted."""


def start(*, applicant: User, at: datetime) -> Application:
    """The applicant's draft: the one there is, else a new one with a DNS value of its own."""
    try:
        with transaction.atomic():
            application, created = Application.objects.get_or_create(
                applicant=applicant,
                status=Status.DRAFT,
                defaults={"created_at": at, "dns_value": PREFIX + secrets.token_urlsafe(24), "contact_name": applicant.name},
            )
            if created:
                note(application, "start", actor=applicant.actor, at=at)
    except IntegrityError:
        # Two first presses at once: the draft is the one that was stored.
        return Application.objects.get(applicant=applicant, status=Status.DRAFT)
    return application


def edit(application: Application, *, changes: Mapping[str, str], actor: User, at: datetime) -> None:
    """Keep answers that a form has checked. A new domain has to be proven anew. Raises NotOpenError."""
    different = {name: value for name, value in changes.items() if getattr(application, name) != value}
    if not different:
        return
    written: dict[str, object] = {**different, **({"domain_proven_at": None} if "domain" in different else {})}
    with transaction.atomic():
        if not Application.objects.filter(pk=application.pk, status__in=OPEN_TO_APPLICANT).update(**written):
            raise NotOpenError
        note(application, "edit", actor=actor.actor, at=at, reason=", ".join(sorted(different)))
    application.refresh_from_db()


def prove_domain(application: Application, *, actor: str, at: datetime) -> CheckResult:
    """Ask the DNS now and keep what it says; the value seen there proves the domain that was asked for."""
    finding = DomainCheck().run(application, at=at)
    with transaction.atomic():
        result = keep(application, DomainCheck.name, finding, at=at)
        if finding.outcome == CheckOutcome.PASS:
            # The domain may have been changed while the DNS was asked.
            asked = Application.objects.filter(pk=application.pk, domain=application.domain, domain_proven_at=None)
            if asked.update(domain_proven_at=at):
                note(application, "prove_domain", actor=actor, at=at, reason=application.domain)
    application.refresh_from_db()
    return result


def parts_of(application: Application) -> list[Part]:
    """The task list: what is done and what is not."""
    filled = {name: all(getattr(application, field) for field in fields) for name, fields in REQUIRED.items()}
    if application.scheme != Scheme.GOV and not application.register_number:
        filled["organisation"] = False
    proven = application.domain_proven_at is not None
    done = {**filled, "domain": proven, "evidence": application.evidence.exists()}
    return [Part(name, done[name], waiting=name == "domain" and filled["sending"] and not proven) for name in PARTS]


def submit(application: Application, *, agreed: bool, actor: User, at: datetime) -> None:
    """Send a draft to the reviewers and start their clock.

    Raises IncompleteError, NotAgreedError, WrongStateError, StaleApplicationError.
    """
    _complete(application)
    if not agreed:
        raise NotAgreedError
    with transaction.atomic():
        due = clock.deadline(at, application.calendar)
        sent = {"submitted_at": at, "deadline_at": due, "agreed_at": at, "agreement_version": agreement.VERSION}
        move(application, Action.SUBMIT, actor=actor.actor, at=at, changes=sent)
        letters.tell_applicant(application, letters.SUBMITTED, at=at)
        wake("onboarding.tasks.check_waiting")


def answer(application: Application, *, text: str, actor: User, at: datetime) -> None:
    """Answer what was asked: the clock runs again with the working time that was left, and both looks begin anew.

    Raises IncompleteError, WrongStateError, StaleApplicationError.
    """
    _complete(application)
    with transaction.atomic():
        due = clock.resumed(application.paused_at or at, application.deadline_at or at, at, application.calendar)
        fresh = {"deadline_at": due, "paused_at": None, "question": "", "round": application.round + 1}
        move(application, Action.ANSWER, actor=actor.actor, at=at, reason=text, changes=fresh)
        wake("onboarding.tasks.check_waiting")


def withdraw(application: Application, *, actor: User, at: datetime) -> None:
    """Give the application up; its documents are deleted at once. Raises WrongStateError, StaleApplicationError."""
    with transaction.atomic():
        ended = {"deadline_at": None, "paused_at": None, "claimed_by": None, "claimed_until": None}
        move(application, Action.WITHDRAW, actor=actor.actor, at=at, changes=ended)
        count, _ = application.evidence.all().delete()
        if count:
            note(application, "erase_evidence", actor=actor.actor, at=at, reason=str(count))


def questions_of(application: Application) -> list[ApplicationEvent]:
    """What was asked and answered, oldest first."""
    asked = application.events.filter(action__in=[Action.REQUEST_INFORMATION, Action.ANSWER])
    return list(asked.order_by("id"))


def _complete(application: Application) -> None:
    open_parts = [part.name for part in parts_of(application) if not part.done]
    if open_parts:
        raise IncompleteError(open_parts)
