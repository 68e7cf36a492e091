"""How an organisation sends: what stands outside its sealed mails, and pausing them."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from mailer.models import SubjectPolicy
from mailer.policies import choose_subject, policy_of
from mailer.sealing import neutral_subject
from mailer.smime.errors import SmimeError
from mailer.smime.headers import unstructured
from onboarding.models import Membership
from portal.views.access import SENDING_ROLES, member_page, room


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


@require_http_methods(["GET", "HEAD", "POST"])
@member_page(roles=SENDING_ROLES)
def sending(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The choices of an organisation; a POST stores the one about the subject."""
    organization, now = membership.organization, timezone.now()
    policy = policy_of(organization)
    form = SubjectForm(request.POST or None, initial={"subject": policy.subject, "neutral_subject": policy.neutral_subject})
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
    context = room(membership, "sending", form=form, policy=policy, ours=neutral_subject())
    return render(request, "organisation/sending.html", context)
