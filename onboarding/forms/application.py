"""The parts of an application."""

from collections.abc import Mapping
from typing import Any

import holidays
from django import forms
from django.utils.translation import gettext_lazy as _

from mailer.ca.errors import NameRefusedError
from mailer.ca.names import organization_name
from onboarding.applications import Application, Scheme
from onboarding.checks.mail_providers import is_public_mail
from onboarding.countries import country_choices, time_zones
from onboarding.forms.fields import AddressField, DomainField, LineField, LinesField, WebsiteField
from onboarding.identifier import BadRegisterNumberError, compact, identifier_of


class OrganisationForm(forms.Form):
    """Who the organisation is, as its register has it."""

    legal_name = LineField(
        label=_("Legal name"),
        max_length=200,
        help_text=_("Exactly as the register has it. The certificate will carry it."),
        widget=forms.TextInput(attrs={"autocomplete": "organization", "class": "is-30"}),
    )
    country = forms.ChoiceField(
        label=_("Country of registration"), choices=lambda: [("", ""), *country_choices()], widget=forms.Select(attrs={"class": "is-30"})
    )
    region = forms.RegexField(
        r"\A[A-Za-z0-9]{1,3}\Z",
        label=_("State or province"),
        required=False,
        strip=True,
        help_text=_("Its code, such as CA or BY. Needed where registers are kept by states; its holidays then count as well."),
        error_messages={"invalid": _("Give the code alone: one to three letters or digits.")},
        widget=forms.TextInput(attrs={"class": "is-2", "autocomplete": "off"}),
    )
    scheme = forms.ChoiceField(label=_("Register"), choices=Scheme.choices, widget=forms.RadioSelect)
    register_number = forms.CharField(
        label=_("Register number"),
        max_length=60,
        error_messages={"required": _("Give the number under which the organisation is registered.")},
        help_text=_("Company number, VAT number or LEI. A government body leaves this empty."),
        widget=forms.TextInput(attrs={"class": "is-20 is-mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    address = LinesField(
        label=_("Registered address"), max_length=500, widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address", "class": "is-30"})
    )
    website = WebsiteField(label=_("Website"), max_length=200, required=False)
    time_zone = forms.ChoiceField(
        label=_("Time zone of your office"),
        choices=lambda: [(name, name.replace("_", " ")) for name in time_zones()],
        help_text=_("Our working day is counted in it, and dates are shown in it."),
        widget=forms.Select(attrs={"class": "is-30"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.data.get("scheme") if self.is_bound else self.initial.get("scheme")
        self.fields["register_number"].required = chosen != Scheme.GOV

    def clean_legal_name(self) -> str:
        name = str(self.cleaned_data["legal_name"])
        try:
            organization_name(name)
        except NameRefusedError:
            text = _("A certificate can carry 64 characters of a name. Abbreviate the legal form as your register allows, for example Ltd or GmbH.")
            raise forms.ValidationError(text, code="name") from None
        return name

    def clean_region(self) -> str:
        return str(self.cleaned_data["region"]).upper()

    def clean_register_number(self) -> str:
        return compact(self.cleaned_data["register_number"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"country", "scheme", "region", "register_number"} <= cleaned.keys() and self._has_region(cleaned["country"], cleaned["region"]):
            try:
                identifier_of(scheme=cleaned["scheme"], country=cleaned["country"], region=cleaned["region"], number=cleaned["register_number"])
            except BadRegisterNumberError as error:
                self.add_error(error.field, forms.ValidationError(str(error.text), code="register"))
        return cleaned

    def _has_region(self, country: str, region: str) -> bool:
        known = holidays.list_supported_countries(include_aliases=False).get(country)
        if not region or not known or region in known:
            return True
        text = _("This country has no state or province with that code. It has: %(codes)s.") % {"codes": ", ".join(known)}
        self.add_error("region", forms.ValidationError(text, code="region"))
        return False


class SendingForm(forms.Form):
    """The first sending address, and the domain whose control is to be proven."""

    sending_address = AddressField(
        label=_("Sending address"), help_text=_("Letters will come from this address, for example bills@bank.example.com.")
    )
    domain = DomainField(
        label=_("Sending domain"),
        required=True,
        help_text=_("The domain that you will prove: the part after the @, or one above it."),
        widget=forms.TextInput(attrs={"class": "is-30", "autocomplete": "off", "inputmode": "url", "spellcheck": "false"}),
    )

    def clean_domain(self) -> str:
        domain = str(self.cleaned_data["domain"])
        if is_public_mail(domain):
            raise forms.ValidationError(_("This domain belongs to a provider of mailboxes. Give a domain of your organisation's own."), code="public")
        return domain

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        address, domain = cleaned.get("sending_address"), cleaned.get("domain")
        if address and domain and address.domain != domain and not address.domain.endswith(f".{domain}"):
            self.add_error("domain", _("The sending address does not lie in this domain."))
        return cleaned


class ContactForm(forms.Form):
    """Whom reviewers may ask."""

    contact_name = LineField(label=_("Name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name", "class": "is-30"}))
    contact_role = LineField(
        label=_("Role in the organisation"),
        max_length=120,
        help_text=_("For example company secretary or head of billing."),
        widget=forms.TextInput(attrs={"autocomplete": "organization-title", "class": "is-30"}),
    )
    contact_phone = forms.RegexField(
        r"\A\+?[0-9][0-9 ()./-]{5,38}\Z",
        label=_("Telephone"),
        max_length=40,
        strip=True,
        help_text=_("With the country code, for example +44 20 7946 0000."),
        error_messages={"invalid": _("Give a telephone number: digits, blanks and a leading + only.")},
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "class": "is-20"}),
    )


class EvidenceForm(forms.Form):
    document = forms.FileField(
        label=_("Document"),
        max_length=255,
        help_text=_("PDF, PNG or JPEG, at most 10 MB."),
        widget=forms.FileInput(attrs={"accept": "application/pdf,image/png,image/jpeg,.pdf,.png,.jpg,.jpeg"}),
        error_messages={"required": _("Choose a file."), "empty": _("This file is empty.")},
    )


class SubmitForm(forms.Form):
    agree = forms.BooleanField(
        label=_("I may act for this organisation, these answers are right as far as I know, and I accept the subscriber agreement."),
        error_messages={"required": _("Accept the agreement to send the application.")},
    )


class AnswerForm(forms.Form):
    answer = LinesField(label=_("Your answer"), max_length=2000, help_text=_("Correct the parts above as well, where they are what was asked about."))


FORMS: Mapping[str, type[forms.Form]] = {"organisation": OrganisationForm, "sending": SendingForm, "contact": ContactForm}


def answers_of(application: Application, form: type[forms.Form]) -> dict[str, str]:
    """What an application holds for the fields of a form."""
    return {name: getattr(application, name) for name in form.base_fields}


def changes_of(form: forms.Form) -> dict[str, str]:
    """A valid form's values as they are kept."""
    return {name: str(value) for name, value in form.cleaned_data.items()}
