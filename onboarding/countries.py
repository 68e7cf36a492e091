"""Countries (ISO 3166-1), their names in the reader's language, and their time zones."""

import zoneinfo
from functools import lru_cache

from babel import Locale
from django.utils.translation import get_language, to_locale
from iso3166 import countries_by_alpha2

COUNTRIES = frozenset(countries_by_alpha2) - {"XK"}
# Zones that people choose from: a continent or ocean and a place; the rest are old aliases.
CONTINENTS = frozenset({"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"})


@lru_cache
def _names(locale: str) -> dict[str, str]:
    territories = Locale.parse(locale).territories
    return {code: territories.get(code, code) for code in COUNTRIES}


def country_name(code: str) -> str:
    """The country's name in the language of this request; the code itself for one that has none."""
    return _names(to_locale(get_language() or "en")).get(code, code)


def country_choices() -> list[tuple[str, str]]:
    """Every country as (code, name), by name in the language of this request."""
    return sorted(_names(to_locale(get_language() or "en")).items(), key=lambda pair: pair[1])


@lru_cache
def time_zones() -> tuple[str, ...]:
    """IANA names, UTC first."""
    return ("UTC", *sorted(name for name in zoneinfo.available_timezones() if name.partition("/")[0] in CONTINENTS))
