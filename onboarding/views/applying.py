"""The applicant's pages: task list, parts, domain, evidence, check and send, status, answer, withdraw. Strangers get 404."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from onboarding import agreement, applying, clock
from onboarding.access import post_only, second_factor_required
from onboarding.applications import Application, CheckOutcome
from onboarding.applying import IncompleteError, NotAgreedError
from onboarding.checks.words import say
from onboarding.countries import country_name
from onboarding.forms.application import FORMS, AnswerForm, SubmitForm, answers_of, changes_of
from onboarding.identifier import BadRegisterNumberError, identifier_of
from onboarding.moving import NotOpenError, StaleApplicationError
from onboarding.people.models import User
from onboarding.states import Status, WrongStateError
from onboarding.views.timelines import timeline_of


def own(person: User, application_id: UUID) -> Application:
    """The person's own application; to everybody else there is none."""
    application = Application.objects.filter(pk=application_id, applicant=person).select_related("organization").first()
    if application is None:
        raise Http404
    return application


def open_own(person: User, application_id: UUID) -> Application:
    """The person's own application while it can be changed; Http404 once it cannot."""
    application = own(person, application_id)
    if not application.is_open_to_applicant:
        raise Http404
    return application


@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def applications(request: HttpRequest, person: User) -> HttpResponseBase:
    """The person's applications; a POST begins one, or goes on with the draft there is."""
    if request.method == "POST":
        return redirect("application", applying.start(applicant=person, at=timezone.now()).pk)
    listed = Application.objects.filter(applicant=person).order_by("-created_at")
    return render(request, "onboarding/applications.html", {"applications": listed, "draft": listed.filter(status=Status.DRAFT).first()})


@require_safe
@second_factor_required
def application(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """The task list while the applicant can change something; else where the application stands."""
    shown = own(person, application_id)
    with timezone.override(shown.zone):
        if not shown.is_open_to_applicant:
            return render(request, "onboarding/status.html", {"application": shown, "timeline": timeline_of(shown, reader=person)})
        parts = applying.parts_of(shown)
        context = {
            "application": shown,
            "parts": {part.name: part for part in parts},
            "done": sum(part.done for part in parts),
            "total": len(parts),
            "complete": all(part.done for part in parts),
            "files": shown.evidence.count(),
            "due": clock.deadline(timezone.now(), shown.calendar) if shown.country else None,
            "questions": applying.questions_of(shown),
            "form": AnswerForm() if shown.status == Status.WAITING else None,
        }
        return render(request, "onboarding/application.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def part(request: HttpRequest, person: User, application_id: UUID, name: str) -> HttpResponseBase:
    """One part of the form."""
    shown = open_own(person, application_id)
    kind = FORMS[name]
    form = kind(request.POST) if request.method == "POST" else kind(initial=answers_of(shown, kind))
    if request.method == "POST" and form.is_valid():
        try:
            applying.edit(shown, changes=changes_of(form), actor=person, at=timezone.now())
        except NotOpenError:
            raise Http404 from None
        return redirect(_following(shown, name))
    return render(request, "onboarding/part.html", {"form": form, "application": shown, "name": name}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def domain(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """What to write into the DNS; a POST looks there now."""
    shown = open_own(person, application_id)
    if not shown.domain:
        return redirect("application-part", shown.pk, "sending")
    if request.method == "POST":
        result = applying.prove_domain(shown, actor=person.actor, at=timezone.now())
        words = say(result.code, result.facts)
        if result.outcome == CheckOutcome.PASS:
            messages.success(request, _("%(domain)s is proven.") % {"domain": shown.domain})
            return redirect("application", shown.pk)
        messages.warning(request, _("Not seen yet. %(finding)s. A change in the DNS can take an hour to be seen.") % {"finding": words})
        return redirect("application-domain", shown.pk)
    last = shown.checks.filter(check_name="domain").order_by("-at", "-id").first()
    with timezone.override(shown.zone):
        return render(request, "onboarding/domain.html", {"application": shown, "last": last})


@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def check_answers(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """Everything that was said, once more; a POST sends it."""
    shown = own(person, application_id)
    if shown.status != Status.DRAFT:
        return redirect("application", shown.pk)
    form = SubmitForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            applying.submit(shown, agreed=form.cleaned_data["agree"], actor=person, at=timezone.now())
        except IncompleteError:
            messages.error(request, _("Some parts are not done yet. Finish them, then send the application."))
        except NotAgreedError:
            form.add_error("agree", _("Accept the agreement to send the application."))
        except (StaleApplicationError, WrongStateError):
            messages.warning(request, _("The application was sent or withdrawn already."))
        else:
            messages.success(request, _("Your application is with the reviewers."))
        if not form.errors:
            return redirect("application", shown.pk)
    if not all(item.done for item in applying.parts_of(shown)):
        messages.warning(request, _("Some parts are not done yet. Finish them, then send the application."))
        return redirect("application", shown.pk)
    with timezone.override(shown.zone):
        context = {
            "application": shown,
            "country": country_name(shown.country),
            "identifier": _identifier(shown),
            "evidence": shown.evidence.listed(),
            "due": clock.deadline(timezone.now(), shown.calendar),
            "version": agreement.VERSION,
            "form": form,
        }
        return render(request, "onboarding/check_answers.html", context, status=422 if form.errors else 200)


@post_only
@second_factor_required
def answer(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """Answer what the reviewers asked."""
    shown = open_own(person, application_id)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Write an answer before you send it."))
        return redirect("application", shown.pk)
    try:
        applying.answer(shown, text=form.cleaned_data["answer"], actor=person, at=timezone.now())
    except IncompleteError:
        messages.error(request, _("Some parts are not done yet. Finish them, then send your answer."))
    except (StaleApplicationError, WrongStateError):
        messages.warning(request, _("The application has moved on meanwhile."))
    else:
        messages.success(request, _("Your answer is with the reviewers; their clock runs again."))
    return redirect("application", shown.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def withdraw(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """A GET asks once more; the POST gives the application up and deletes its documents."""
    shown = own(person, application_id)
    if request.method == "POST":
        try:
            applying.withdraw(shown, actor=person, at=timezone.now())
        except (StaleApplicationError, WrongStateError):
            messages.warning(request, _("The application cannot be withdrawn any more."))
        else:
            messages.success(request, _("The application is withdrawn and its documents are deleted."))
        return redirect("applications")
    if shown.status in {Status.APPROVED, Status.REJECTED, Status.WITHDRAWN}:
        return redirect("application", shown.pk)
    return render(request, "onboarding/withdraw.html", {"application": shown})


def _following(shown: Application, name: str) -> str:
    """After the sending address comes the proof of its domain; everything else leads back to the list."""
    if name == "sending" and shown.domain_proven_at is None:
        return reverse("application-domain", args=[shown.pk])
    return reverse("application", args=[shown.pk])


def _identifier(shown: Application) -> str:
    try:
        return identifier_of(scheme=shown.scheme, country=shown.country, region=shown.region, number=shown.register_number)
    except BadRegisterNumberError:
        return ""
