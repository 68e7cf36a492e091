"""Fields that give parsed values."""

import unicodedata
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from publicsuffixlist import PublicSuffixList

from directory.x509.errors import MalformedAddressError, MalformedDomainError
from directory.x509.names import EmailAddress, parse_domain

# Invisible characters that reorder what is read, control what is sent, or mean nothing.
REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def one_line(text: str) -> str:
    """Text in one line, composed (NFC), single blanks; ValidationError for invisible characters."""
    text = " ".join(unicodedata.normalize("NFC", text).split(" ")).strip()
    while "  " in text:
        text = text.replace("  ", " ")
    if any(unicodedata.category(character) in REFUSED for character in text):
        raise ValidationError(_("There is an invisible character in this text: type it again instead of pasting it."), code="invisible")
    return text


class LineField(forms.CharField):
    """One line of text without control or invisible characters."""

    def to_python(self, value: object) -> str:
        return one_line(super().to_python(value) or "")


class LinesField(forms.CharField):
    """Several lines of text; each is checked as one line is."""

    widget = forms.Textarea

    def to_python(self, value: object) -> str:
        text = (super().to_python(value) or "").replace("\r\n", "\n").replace("\r", "\n")
        return "\n".join(one_line(line) for line in text.split("\n")).strip("\n")


class AddressField(forms.CharField):
    """An e-mail address under the directory's strict rule; its value is an EmailAddress (None where it may be left out)."""

    widget = forms.EmailInput(attrs={"autocomplete": "email", "class": "is-30"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 254, **kwargs})

    def clean(self, value: object) -> EmailAddress | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return EmailAddress.parse(text)
        except MalformedAddressError:
            raise ValidationError(_("Give an e-mail address like name@example.com."), code="address") from None


@cache
def public_suffixes() -> PublicSuffixList:
    """Names like co.uk, under which others register theirs: the registries' part of the list, without that of companies."""
    return PublicSuffixList(only_icann=True)


class DomainField(forms.CharField):
    """A domain name of two labels or more, as lower-case A-labels; none under which everybody may register a name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 253, **kwargs})

    def clean(self, value: object) -> str:
        text = super().clean(value).rstrip(".")
        try:
            domain = parse_domain(text)
        except MalformedDomainError:
            raise ValidationError(_("Give a domain like bank.example.com, without http:// and without an @."), code="domain") from None
        if public_suffixes().is_public(domain):
            raise ValidationError(_("Under this domain everybody may register a name. Give one of your organisation's own."), code="public_suffix")
        return domain


class WebsiteField(forms.CharField):
    """An http or https address without a password or port; empty if left out."""

    widget = forms.URLInput(attrs={"autocomplete": "url", "class": "is-30"})

    def clean(self, value: object) -> str:
        text = super().clean(value)
        if not text:
            return ""
        wrong = ValidationError(_("Give the address of a website like https://www.example.com."), code="website")
        try:
            parts = urlsplit(text if "://" in text else f"https://{text}")
            host = parse_domain(parts.hostname or "")
            plain = parts.port is None and parts.username is None and parts.scheme in {"http", "https"}
        except (ValueError, MalformedDomainError):
            raise wrong from None
        if not plain or not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
            raise wrong
        return f"{parts.scheme}://{host}{parts.path}".rstrip("/")
