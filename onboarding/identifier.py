"""organizationIdentifier (S/MIME BR 7.1.4.2.2 d and appendix A): scheme, country, region and reference in one value."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from stdnum import exceptions, lei
from stdnum.au import acn
from stdnum.be import vat as be_enterprise
from stdnum.ch import uid
from stdnum.cn import uscc
from stdnum.dk import cvr
from stdnum.eu import vat
from stdnum.fi import ytunnus
from stdnum.fr import siren
from stdnum.jp import cn as jp_corporate
from stdnum.no import orgnr as no_orgnr
from stdnum.se import orgnr as se_orgnr
from stdnum.sg import uen

from onboarding.applications import Scheme
from onboarding.countries import COUNTRIES

REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,59}")
# Registers kept by the states: without the state the number names nobody.
STATE_REGISTERS = frozenset({"US"})


class BadRegisterNumberError(Exception):
    """The number cannot be one of its register; `text` says why and how to put it right."""

    def __init__(self, text: Promise | str, field: str = "register_number") -> None:
        super().__init__(field)
        self.text = text
        self.field = field


class Register(NamedTuple):
    """A country's trade register: who keeps it, what a number looks like, and how to check one."""

    keeper: str
    hint: Promise | str
    check: Callable[[str], str]


def _pattern(expression: str) -> Callable[[str], str]:
    compiled = re.compile(expression)

    def check(number: str) -> str:
        if not compiled.fullmatch(number):
            raise exceptions.InvalidFormat
        return number

    return check


# Where the check is known. A reference of any other country is only held to REFERENCE, and a person looks at it.
REGISTERS: Mapping[str, Register] = {
    "AU": Register("ASIC", _("an ACN of 9 digits"), acn.validate),
    "BE": Register("KBO/BCE", _("an enterprise number of 10 digits"), be_enterprise.validate),
    "CH": Register("UID", _("a UID such as CHE100155212"), uid.validate),
    "CN": Register("SAMR", _("a unified social credit identifier of 18 characters"), uscc.validate),
    "DE": Register(
        "Handelsregister", _("a European identifier such as DER3306.HRB12345"), _pattern(r"DE[A-Z0-9]{5}\.[A-Z]{2,3}[0-9]{1,6}[A-Z]{0,3}")
    ),
    "DK": Register("CVR", _("a CVR number of 8 digits"), cvr.validate),
    "FI": Register("PRH", _("a business identity code such as 2077474-0"), ytunnus.validate),
    "FR": Register("RNE", _("a SIREN number of 9 digits"), siren.validate),
    "GB": Register(
        "Companies House",
        _("8 characters: 8 digits, or two letters and 6 digits; put zeros in front"),
        _pattern(r"[0-9]{8}|[A-Z]{2}[0-9]{6}|R[0-9]{7}"),
    ),
    "JP": Register("NTA", _("a corporate number of 13 digits"), jp_corporate.validate),
    "NL": Register("KVK", _("a KVK number of 8 digits"), _pattern(r"[0-9]{8}")),
    "NO": Register("Brønnøysundregistrene", _("an organisation number of 9 digits"), no_orgnr.validate),
    "SE": Register("Bolagsverket", _("an organisation number of 10 digits"), se_orgnr.validate),
    "SG": Register("ACRA", _("a UEN of 9 or 10 characters"), uen.validate),
}


def compact(number: str) -> str:
    """A number as it is compared: upper case, no blanks."""
    return "".join(number.upper().split())


def identifier_of(*, scheme: str, country: str, region: str, number: str) -> str:
    """The organizationIdentifier of a claim, such as NTRGB-01234567 or LEIXG-5493001KJTIIGC8Y1R12.

    Raises BadRegisterNumberError for what no register has: a wrong length, format, checksum or country.
    """
    if country not in COUNTRIES:
        raise BadRegisterNumberError(_("Choose a country from the list."), "country")
    number = compact(number)
    if scheme == Scheme.GOV:
        if number:
            raise BadRegisterNumberError(_("A government body has no register number: leave this empty."))
        return f"GOV{country}{f'+{region}' if region else ''}"
    if not number:
        raise BadRegisterNumberError(_("Give the number under which the organisation is registered."))
    if not REFERENCE.fullmatch(number):
        raise BadRegisterNumberError(_("A register number has only letters, digits, full stops, slashes and hyphens."))
    if scheme == Scheme.LEI:
        text = _("This is no Legal Entity Identifier: it has 20 characters, the last two of which are a checksum.")
        return f"LEIXG-{_checked(lei.validate, number, text)}"
    if scheme == Scheme.VAT:
        return f"VAT{country}-{_vat(country, number)}"
    return f"NTR{country}{_trade_register(country, region, number)}"


def _checked(check: Callable[[str], str], number: str, text: Promise | str) -> str:
    try:
        return check(number)
    except exceptions.ValidationError:
        raise BadRegisterNumberError(text) from None


def _vat(country: str, number: str) -> str:
    # Greece writes EL before its numbers; the identifier carries the ISO code (BR appendix A).
    prefix = "EL" if country == "GR" else country
    if prefix.lower() not in {*vat.MEMBER_STATES, "el"}:
        raise BadRegisterNumberError(
            _("VAT numbers are taken from member states of the European Union only: use the trade register or an LEI."), "scheme"
        )
    own = number.removeprefix(prefix)
    return _checked(vat.validate, prefix + own, _("This is no VAT number of that country: look at its length and its check digit.")).removeprefix(
        prefix
    )


def _trade_register(country: str, region: str, number: str) -> str:
    state = ""
    if country in STATE_REGISTERS:
        if not region:
            raise BadRegisterNumberError(_("Registers of this country are kept by its states: name the state."), "region")
        state = f"+{region}"
    register = REGISTERS.get(country)
    if register is None:
        return f"{state}-{number}"
    text = _("This is no number of %(register)s. It should be %(hint)s.") % {"register": register.keeper, "hint": register.hint}
    return f"{state}-{_checked(register.check, number, text)}"
