"""Registering, signing in, the second factor."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from onboarding.forms.fields import AddressField, LineField
from onboarding.people.models import User

LONGEST_PASSWORD = 1024
LONGEST_CODE = 40


def _password_rules() -> str:
    return " ".join(password_validators_help_texts())


class RegisterForm(forms.Form):
    """Name, address and password of a new account; `email` is an EmailAddress."""

    name = LineField(label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name", "class": "is-30"}))
    email = AddressField(label=_("E-mail address"), help_text=_("We send a link there that makes your account."))
    password = forms.CharField(
        label=_("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        help_text=lazy(_password_rules, str)(),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "is-30"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"name", "email", "password"} <= cleaned.keys():
            try:
                validate_password(cleaned["password"], User(email=cleaned["email"].match, name=cleaned["name"]))
            except ValidationError as error:
                self.add_error("password", error)
        return cleaned


class PasswordForm(forms.Form):
    """The password of a registration whose link is opened in another browser."""

    password = forms.CharField(
        label=_("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        help_text=_("The one you chose when you registered."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "class": "is-30"}),
    )


class LoginForm(forms.Form):
    """Address and password; what is wrong with them is said by the view, in one sentence for all reasons."""

    email = forms.CharField(label=_("E-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "class": "is-30"}))
    password = forms.CharField(
        label=_("Password"),
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "class": "is-30"}),
    )


class CodeForm(forms.Form):
    """A one-time code of six digits, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=LONGEST_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "is-8 is-mono", "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split())


class SignInCodeForm(CodeForm):
    code = forms.CharField(
        label=_("Code of your authenticator"),
        max_length=LONGEST_CODE,
        help_text=_("Six digits. If you have lost the authenticator, a recovery code."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "class": "is-20 is-mono", "spellcheck": "false", "autocapitalize": "none"}),
    )
