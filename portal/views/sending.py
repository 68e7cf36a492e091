"""How an organisation sends: what stands outside its sealed mails, and pausing them."""

from contextlib import suppress

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from directory.models import Organization
from mailer.models import MessageStatus, SubjectPolicy
from mailer.pausing import NotPausedError, active_pauses, pause, resume
from mailer.policies import choose_subject, policy_of
from mailer.sealing import neutral_subject
from mailer.smime.errors import SmimeError
from mailer.smime.headers import unstructured
from onboarding.access import post_only
from onboarding.models import Membership
from portal.views.access import SENDING_ROLES, member_page, room
from portal.views.send_log import counted


class SubjectForm(forms.Form):
    """What stands outside in place of a mail's subject."""

    subject = forms.ChoiceField(
        label=_("What stands outside"),
        choices=[
            (SubjectPolicy.NEUTRAL, _("A neutral subject, the same on every letter")),
            (SubjectPolicy.KEEP, _("The letter's own subject")),
        ],
        widget=forms.RadioSelect,
    )
    neutral_subject = forms.CharField(
        label=_("Your wording of the neutral subject"),
        max_length=100,
        required=False,
        help_text=_("Leave it empty for ours. Name nothing that only the recipient should know."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "is-30"}),
    )

    def clean_neutral_subject(self) -> str:
        words = str(self.cleaned_data["neutral_subject"])
        try:
            unstructured(words)
        except SmimeError:
            raise forms.ValidationError(_("This holds a character that no header can carry, such as a line break. Type it anew.")) from None
        return words


class PauseForm(forms.Form):
    """Why sending pauses: the team reads it on every page until it goes on."""

    reason = forms.CharField(label=_("Reason"), max_length=300, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(roles=SENDING_ROLES)
def sending(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The choices of an organisation; a POST stores the one about the subject."""
    organization, now = membership.organization, timezone.now()
    form = SubjectForm(request.POST) if request.method == "POST" else _subject_form(organization)
    if request.method == "POST" and form.is_valid():
        choose_subject(
            organization=organization,
            subject=SubjectPolicy(form.cleaned_data["subject"]),
            neutral_subject=form.cleaned_data["neutral_subject"],
            actor=membership.user.actor,
            at=now,
        )
        messages.success(request, gettext("Stored. It holds for every letter that is sealed from now on."))
        return redirect("sending", organization_id=organization.pk)
    return _draw(request, membership, form, PauseForm(), status=200)


def _subject_form(organization: Organization) -> SubjectForm:
    policy = policy_of(organization)
    return SubjectForm(initial={"subject": policy.subject, "neutral_subject": policy.neutral_subject})


def _draw(request: HttpRequest, membership: Membership, form: SubjectForm, pause_form: PauseForm, *, status: int) -> HttpResponse:
    organization = membership.organization
    paused = active_pauses(organization).filter(organization=organization, domain="").first()
    context = room(
        membership,
        "sending",
        form=form,
        pause_form=pause_form,
        policy=policy_of(organization),
        ours=neutral_subject(),
        paused=paused,
        paused_by=_name_of(paused.paused_by, organization) if paused else "",
        waiting=counted(organization, (MessageStatus.QUEUED,)),
    )
    return render(request, "organisation/sending.html", context, status=status)


def _name_of(actor: str, organization: Organization) -> str:
    """The name of a member of the team; nobody else's is told."""
    members = Membership.objects.filter(organization=organization).select_related("user")
    return next((member.user.name for member in members if member.user.actor == actor), "")


@post_only
@member_page(roles=SENDING_ROLES)
def pause_sending(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Let this organisation's letters wait; doing it twice changes nothing."""
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _draw(request, membership, _subject_form(membership.organization), form, status=422)
    pause(organization=membership.organization, reason=form.cleaned_data["reason"], actor=membership.user.actor, at=timezone.now())
    messages.success(request, gettext("Paused. What is handed in waits until you go on."))
    return redirect("sending", organization_id=membership.organization_id)


@post_only
@member_page(roles=SENDING_ROLES)
def resume_sending(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Let this organisation's letters go; doing it twice changes nothing."""
    with suppress(NotPausedError):
        resume(organization=membership.organization, actor=membership.user.actor, at=timezone.now())
    messages.success(request, gettext("Sending goes on."))
    return redirect("sending", organization_id=membership.organization_id)
