"""What a reviewer decides, and which applications the queue shows."""

from typing import Any

from django import forms
from django.db import models
from django.utils.translation import gettext_lazy as _

from onboarding.countries import country_choices
from onboarding.forms.fields import LineField, LinesField


class Choice(models.TextChoices):
    APPROVE = "approve", _("Approve")
    ASK = "ask", _("Ask for information")
    REJECT = "reject", _("Reject")


class DecisionForm(forms.Form):
    """A verdict on the version that was read. `text` is what the applicant is asked or told, or a note on an approval."""

    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    decision = forms.ChoiceField(
        label=_("Decision"), choices=Choice.choices, widget=forms.RadioSelect, error_messages={"required": _("Choose a decision.")}
    )
    text = LinesField(
        label=_("Question or reason"),
        max_length=2000,
        required=False,
        help_text=_("The applicant reads it when you ask or reject. With an approval it stays at the desk."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("decision") in {Choice.ASK, Choice.REJECT} and "text" in cleaned and not cleaned["text"].strip():
            self.add_error("text", _("Write what the applicant should answer, or why you reject."))
        return cleaned


class QueueForm(forms.Form):
    """Filters of the queue, by GET; what is not understood filters nothing."""

    q = LineField(label=_("Name, domain or number"), max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    country = forms.ChoiceField(label=_("Country"), choices=lambda: [("", _("All")), *country_choices()], required=False)
