"""The review desk. To everybody who is no reviewer there is no such page."""

from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from onboarding import queue, workflow
from onboarding.access import post_only, reviewer_required
from onboarding.applications import Application
from onboarding.applying import questions_of
from onboarding.checks.duplicates import identifier_of_claim
from onboarding.checks.running import latest_results
from onboarding.checks.words import NAMES, say
from onboarding.countries import country_name
from onboarding.forms.review import Choice, DecisionForm, QueueForm
from onboarding.identifier import BadRegisterNumberError
from onboarding.moving import StaleApplicationError
from onboarding.people.models import User
from onboarding.states import Status, WrongStateError
from onboarding.views.timelines import timeline_of
from onboarding.workflow import (
    AlreadyValidatedError,
    ClaimedError,
    ClaimNeededError,
    DomainUnprovenError,
    NameUnfitError,
    NotAReviewerError,
    OwnApplicationError,
    ReasonNeededError,
    ReviewError,
    SameReviewerError,
)

REFUSALS: dict[type[Exception], Promise] = {
    NotAReviewerError: gettext_lazy("Your account may not review."),
    OwnApplicationError: gettext_lazy("Nobody reviews an application of their own, or of an organisation they belong to."),
    SameReviewerError: gettext_lazy("You gave the first look. The second look is another person's."),
    ClaimedError: gettext_lazy("Another reviewer holds this application."),
    ClaimNeededError: gettext_lazy("Claim the application before you decide; a claim lapses after half an hour."),
    ReasonNeededError: gettext_lazy("Write what the applicant should answer, or why you reject."),
    DomainUnprovenError: gettext_lazy("Control of the domain is not proven, or was proven too long ago. Ask the applicant to prove it again."),
    AlreadyValidatedError: gettext_lazy("An organisation with this identifier is validated already. Reject, or ask what the applicant wants."),
    NameUnfitError: gettext_lazy("A certificate cannot carry this name. Ask for the form that the register allows."),
    StaleApplicationError: gettext_lazy("The application changed while you had it open. Read it again, then decide."),
    WrongStateError: gettext_lazy("The application changed while you had it open. Read it again, then decide."),
    BadRegisterNumberError: gettext_lazy("The number is not one of its register. Ask for the right one."),
}


@require_safe
@reviewer_required
def review_queue(request: HttpRequest, person: User) -> HttpResponseBase:
    """Applications by deadline; saved views and filters are in the address."""
    at, here = timezone.now(), request.GET.get("view", "")
    here = here if here in queue.VIEWS else "open"
    form = QueueForm(request.GET)
    form.is_valid()
    text, country = str(form.cleaned_data.get("q", "")), str(form.cleaned_data.get("country", ""))
    rows = list(queue.filtered(queue.view_of(here, reader=person, at=at), text=text, country=country)[: queue.PAGE + 1])
    outcomes = queue.outcomes_of(rows[: queue.PAGE])
    context = {
        "here": here,
        "counts": queue.counts_of(reader=person, at=at),
        "form": form,
        "filtered": bool(text or country),
        "rows": [
            {"application": row, "outcomes": outcomes.get(row.pk, {}), "country": country_name(row.country), "late": _late(row, at)}
            for row in rows[: queue.PAGE]
        ],
        "more": len(rows) > queue.PAGE,
        "at": at,
    }
    return render(request, "review/queue.html", context)


@require_safe
@reviewer_required
def review(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """One application: claims beside evidence beside what the machine found."""
    application = _find(application_id, person)
    return _page(request, person, application, DecisionForm(initial={"version": application.version}), status=200)


@post_only
@reviewer_required
def claim(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    try:
        workflow.claim(_find(application_id, person), actor=person, at=timezone.now())
    except (ReviewError, StaleApplicationError) as error:
        messages.error(request, str(REFUSALS[type(error)]))
    return redirect("review", application_id)


@post_only
@reviewer_required
def give_back(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    try:
        workflow.give_back(_find(application_id, person), actor=person, at=timezone.now())
    except ClaimNeededError:
        messages.warning(request, _("You do not hold this application any more."))
    return redirect("review-queue")


@post_only
@reviewer_required
def decide(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """Approve, ask or reject; what cannot be done is said, and nothing of it is kept."""
    application = _find(application_id, person)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, person, application, form, status=422)
    choice, text, version = form.cleaned_data["decision"], form.cleaned_data["text"], form.cleaned_data["version"]
    at = timezone.now()
    try:
        if choice == Choice.APPROVE:
            workflow.approve(application, version=version, reason=text, actor=person, at=at)
        elif choice == Choice.ASK:
            workflow.request_information(application, version=version, question=text, actor=person, at=at)
        else:
            workflow.reject(application, version=version, reason=text, actor=person, at=at)
    except tuple(REFUSALS) as error:
        messages.error(request, str(REFUSALS[type(error)]))
        return redirect("review", application_id)
    messages.success(request, _done(application))
    return redirect("review-queue")


def _find(application_id: UUID, person: User) -> Application:
    """What reviewers may see; nobody looks behind the desk at an application of their own."""
    found = Application.objects.sent().select_related("applicant", "claimed_by", "organization").filter(pk=application_id).first()
    if found is None or workflow.is_own(found, person):
        raise Http404
    return found


def _late(application: Application, at: datetime) -> bool:
    return application.is_open_to_reviewers and application.deadline_at is not None and application.deadline_at <= at


def _done(application: Application) -> str:
    return {
        Status.SECOND_LOOK: _("Your approval is kept. Another reviewer gives the second look."),
        Status.APPROVED: _("Approved. The certificate is being issued."),
        Status.WAITING: _("The applicant is asked; the clock stands still."),
        Status.REJECTED: _("Rejected. The applicant is told the reason."),
    }[Status(application.status)]


def _page(request: HttpRequest, person: User, application: Application, form: DecisionForm, *, status: int) -> HttpResponse:
    at = timezone.now()
    first = workflow.first_look(application)
    with timezone.override(application.zone):
        context = {
            "application": application,
            "country": country_name(application.country),
            "identifier": _identifier(application),
            "evidence": application.evidence.listed(),
            "results": {r.check_name: {"result": r, "name": NAMES[r.check_name], "words": say(r.code, r.facts)} for r in latest_results(application)},
            "timeline": timeline_of(application, reader=person, desk=True),
            "questions": questions_of(application),
            "form": form,
            "holds": application.held_by(person, at),
            "held": application.claimed_by is not None and application.claimed_until is not None and application.claimed_until > at,
            "may_review": workflow.may_review(application, person),
            "first": first,
            # The second look is given without knowing what the first one said.
            "opinions": _opinions(application, person),
            "late": _late(application, at),
        }
        return render(request, "review/review.html", context, status=status)


def _opinions(application: Application, person: User) -> list[object]:
    decided = application.status in {Status.APPROVED, Status.REJECTED}
    rows = application.decisions.select_related("reviewer").order_by("id")
    return list(rows if decided else rows.filter(reviewer=person))


def _identifier(application: Application) -> str:
    try:
        return identifier_of_claim(application)
    except BadRegisterNumberError:
        return ""
