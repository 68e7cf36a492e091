"""Documents: the applicant adds and removes them, reviewers download them."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from onboarding import evidence
from onboarding.access import post_only, reviewer_required, second_factor_required
from onboarding.applications import Application, Evidence
from onboarding.evidence import EmptyFileError, FileTooLargeError, SameFileError, TooManyFilesError
from onboarding.forms.application import EvidenceForm
from onboarding.moving import NotOpenError
from onboarding.people.models import User
from onboarding.sniffing import DamagedFileError, NotEvidenceError
from onboarding.uploads import body_at_most
from onboarding.views.applying import open_own
from onboarding.workflow import is_own

# One file, its form fields and the marks between them.
LARGEST_BODY = evidence.LARGEST_FILE + 64 * 1024
REFUSALS: dict[type[Exception], Promise] = {
    EmptyFileError: gettext_lazy("This file is empty."),
    FileTooLargeError: gettext_lazy("This file is larger than 10 MB. Scan it in grey or at a lower resolution."),
    NotEvidenceError: gettext_lazy("This is no PDF, PNG or JPEG. What counts is the content, not the name."),
    DamagedFileError: gettext_lazy("This file is damaged, or has something else behind its end. Save or scan it anew."),
    TooManyFilesError: gettext_lazy("There are ten files already. Remove one first."),
    SameFileError: gettext_lazy("This file is here already."),
}


@second_factor_required
def _too_large(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    form = EvidenceForm(data={})
    form.errors["document"] = form.error_class([str(REFUSALS[FileTooLargeError])])
    return _page(request, open_own(person, application_id), form, status=413)


@body_at_most(LARGEST_BODY, _too_large)
@require_http_methods(["GET", "HEAD", "POST"])
@second_factor_required
def documents(request: HttpRequest, person: User, application_id: UUID) -> HttpResponseBase:
    """The documents of an application; a POST adds one."""
    application = open_own(person, application_id)
    form = EvidenceForm(request.POST, request.FILES) if request.method == "POST" else EvidenceForm()
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["document"]
        try:
            # One byte more than may be kept is enough to refuse it.
            content = upload.read(evidence.LARGEST_FILE + 1)
            evidence.add(application, filename=upload.name, content=content, actor=person, at=timezone.now())
        except tuple(REFUSALS) as error:
            form.add_error("document", str(REFUSALS[type(error)]))
        except NotOpenError:
            raise Http404 from None
        else:
            messages.success(request, _("The document is kept, encrypted."))
            return redirect("application-evidence", application.pk)
    return _page(request, application, form, status=422 if form.errors else 200)


@post_only
@second_factor_required
def remove(request: HttpRequest, person: User, application_id: UUID, evidence_id: UUID) -> HttpResponseBase:
    application = open_own(person, application_id)
    document = get_object_or_404(Evidence.objects.listed().select_related("application"), pk=evidence_id, application=application)
    try:
        evidence.remove(document, actor=person, at=timezone.now())
    except NotOpenError:
        raise Http404 from None
    messages.success(request, _("The document is deleted."))
    return redirect("application-evidence", application.pk)


@require_safe
@reviewer_required
def download(request: HttpRequest, person: User, application_id: UUID, evidence_id: UUID) -> HttpResponseBase:  # noqa: ARG001 - a page's arguments
    """The document, as a download that no browser opens on this site. Nobody sees that of an application of their own here."""
    sent = Application.objects.sent().filter(pk=application_id)
    document = get_object_or_404(Evidence.objects.select_related("application"), pk=evidence_id, application__in=sent)
    if is_own(document.application, person):
        raise Http404
    content = evidence.read(document, actor=person, at=timezone.now())
    response = HttpResponse(content, content_type=document.media_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=document.filename) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox; frame-ancestors 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _page(request: HttpRequest, application: Application, form: EvidenceForm, *, status: int) -> HttpResponse:
    context = {"form": form, "application": application, "evidence": application.evidence.listed()}
    return render(request, "onboarding/evidence.html", context, status=status)
