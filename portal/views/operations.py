"""The operators' desk: how the outbox stands, and pausing everything or one recipient domain."""

from contextlib import suppress

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from directory.x509.errors import MalformedDomainError
from directory.x509.names import parse_domain
from mailer.alarms import standing_alarms
from mailer.models import MessageStatus
from mailer.outbox_state import COUNTED, outbox_state
from mailer.pausing import NotPausedError, active_pauses, pause, resume
from onboarding.access import post_only
from onboarding.models import User
from portal.views.access import operator_page


class PauseForm(forms.Form):
    """What pauses, and why: organisations read the reason on their pages."""

    domain = forms.CharField(
        label=_("Recipients' domain"),
        max_length=255,
        required=False,
        help_text=_("Leave it empty to pause everything."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=300, help_text=_("Organisations read it on their pages."), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def clean_domain(self) -> str:
        text = str(self.cleaned_data["domain"]).strip()
        try:
            return parse_domain(text) if text else ""
        except MalformedDomainError:
            raise forms.ValidationError(_("This is not a domain. It should look like example.com.")) from None


@require_safe
@operator_page
def operations(request: HttpRequest, _operator: User) -> HttpResponse:
    """The outbox now."""
    return _draw(request, PauseForm(), status=200)


def _draw(request: HttpRequest, form: PauseForm, *, status: int) -> HttpResponse:
    now = timezone.now()
    state = outbox_state()
    counts = state.counts
    context = {
        "now": now,
        "state": state,
        "alarms": standing_alarms(at=now),
        "most": COUNTED,
        "queued": counts[MessageStatus.QUEUED],
        "in_hands": counts[MessageStatus.SEALING] + counts[MessageStatus.SEALED] + counts[MessageStatus.HANDING],
        "held": counts[MessageStatus.HELD],
        "unknown": counts[MessageStatus.UNKNOWN],
        "pauses": active_pauses().select_related("organization"),
        "form": form,
    }
    return render(request, "operations/outbox.html", context, status=status)


@post_only
@operator_page
def pause_all(request: HttpRequest, operator: User) -> HttpResponse:
    """Let everything wait, or what is for one domain."""
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _draw(request, form, status=422)
    pause(domain=form.cleaned_data["domain"], reason=form.cleaned_data["reason"], actor=operator.actor, at=timezone.now())
    messages.success(request, gettext("Paused."))
    return redirect("operations")


@post_only
@operator_page
def resume_all(request: HttpRequest, operator: User) -> HttpResponse:
    """End the pause of everything, or of the domain that is given; doing it twice changes nothing."""
    with suppress(NotPausedError):
        resume(domain=request.POST.get("domain", "").replace("\x00", ""), actor=operator.actor, at=timezone.now())
    messages.success(request, gettext("It goes on."))
    return redirect("operations")
