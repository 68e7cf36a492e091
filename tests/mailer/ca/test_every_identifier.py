"""What the application form takes as an organisation's identifier never stops at the linter after it was approved."""

import pytest

from mailer.ca.profiles import V4_SIGNING
from onboarding.countries import COUNTRIES
from onboarding.identifier import REGISTERS, identifier_of
from tests.mailer.ca.test_profiles import issue

SAMPLES = {
    "AU": "004085616",
    "BE": "0403019261",
    "CH": "CHE100155212",
    "CN": "91110000600037341L",
    "DE": "DER3306.HRB12345",
    "DK": "13585628",
    "FI": "2077474-0",
    "FR": "552008443",
    "GB": "SC123456",
    "JP": "7000012050002",
    "NL": "12345678",
    "NO": "988077917",
    "SE": "1234567897",
    "SG": "00192200M",
}


def test_it_has_a_sample_of_every_register() -> None:
    assert set(SAMPLES) == set(REGISTERS)


def test_it_lints_clean_for_every_country() -> None:
    for country in COUNTRIES:
        trade = identifier_of(scheme="NTR", country=country, region="CA" if country == "US" else "", number=SAMPLES.get(country, "HRB-12/34.5"))
        issue(V4_SIGNING, country=country, identifier=trade)
        issue(V4_SIGNING, country=country, identifier=identifier_of(scheme="GOV", country=country, region="", number=""))


@pytest.mark.parametrize(("country", "number"), [("DE", "136695976"), ("GR", "094259216"), ("FR", "40303265045"), ("AT", "U13585627")])
def test_it_lints_clean_for_vat_numbers(country: str, number: str) -> None:
    issue(V4_SIGNING, country=country, identifier=identifier_of(scheme="VAT", country=country, region="", number=number))


def test_it_lints_clean_for_leis() -> None:
    issue(V4_SIGNING, identifier=identifier_of(scheme="LEI", country="DE", region="", number="529900T8BM49AURSDO55"))
