"""organizationIdentifier: what passes, what is refused, and at which field."""

import pytest

from onboarding.forms.application import ContactForm, OrganisationForm, SendingForm
from onboarding.identifier import REGISTERS, BadRegisterNumberError, identifier_of
from tests.onboarding.conftest import ANSWERS


@pytest.mark.parametrize(
    ("scheme", "country", "region", "number", "identifier"),
    [
        ("NTR", "DE", "BE", "der3306.hrb 12345", "NTRDE-DER3306.HRB12345"),
        ("NTR", "GB", "ENG", "01234567", "NTRGB-01234567"),
        ("NTR", "GB", "", "SC123456", "NTRGB-SC123456"),
        ("NTR", "US", "CA", "12345678", "NTRUS+CA-12345678"),
        ("NTR", "FR", "", "732 829 320", "NTRFR-732829320"),
        ("NTR", "CN", "", "91110000600037341L", "NTRCN-91110000600037341L"),
        ("NTR", "GH", "", "CS-123/456", "NTRGH-CS-123/456"),
        ("VAT", "DE", "", "136695976", "VATDE-136695976"),
        ("VAT", "DE", "", "DE136695976", "VATDE-136695976"),
        ("VAT", "GR", "", "EL094259216", "VATGR-094259216"),
        ("LEI", "DE", "BE", "5493001KJTIIGC8Y1R12", "LEIXG-5493001KJTIIGC8Y1R12"),
        ("GOV", "DE", "", "", "GOVDE"),
        ("GOV", "US", "CA", "", "GOVUS+CA"),
    ],
)
def test_it_passes(scheme: str, country: str, region: str, number: str, identifier: str) -> None:
    assert identifier_of(scheme=scheme, country=country, region=region, number=number) == identifier


@pytest.mark.parametrize(
    ("scheme", "country", "region", "number", "field"),
    [
        ("NTR", "DE", "", "HRB12345", "register_number"),
        ("NTR", "DE", "", "", "register_number"),
        ("NTR", "GB", "", "1234567", "register_number"),
        ("NTR", "US", "", "12345678", "region"),
        ("NTR", "FR", "", "732829321", "register_number"),
        ("NTR", "GH", "", "A'; DROP TABLE", "register_number"),
        ("NTR", "GH", "", "А123", "register_number"),  # noqa: RUF001 - a Cyrillic A
        ("VAT", "DE", "", "136695978", "register_number"),
        ("VAT", "US", "", "123456789", "scheme"),
        ("LEI", "DE", "", "5493001KJTIIGC8Y1R13", "register_number"),
        ("GOV", "DE", "", "123", "register_number"),
        ("NTR", "XG", "", "123", "country"),
        ("NTR", "de", "", "123", "country"),
    ],
)
def test_it_is_refused(scheme: str, country: str, region: str, number: str, field: str) -> None:
    with pytest.raises(BadRegisterNumberError) as caught:
        identifier_of(scheme=scheme, country=country, region=region, number=number)
    assert caught.value.field == field
    assert str(caught.value.text)


@pytest.mark.parametrize("country", REGISTERS)
@pytest.mark.parametrize("number", ["1", "X" * 60, "0", "-", "............"])
def test_it_ends_in_a_named_error_for_every_register(country: str, number: str) -> None:
    with pytest.raises(BadRegisterNumberError):
        identifier_of(scheme="NTR", country=country, region="CA", number=number)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("legal_name", ""),
        ("legal_name", "N" * 65),
        ("legal_name", "Bank\u200bAG"),
        ("legal_name", "Bank\u202eGA"),
        ("country", "XX"),
        ("country", ""),
        ("region", "ENG"),
        ("region", "a; b"),
        ("scheme", "INT"),
        ("register_number", "HRB12345"),
        ("register_number", ""),
        ("address", ""),
        ("address", "x" * 501),
        ("website", "javascript:alert(1)"),
        ("website", "https://bank.example.com:8443/"),
        ("website", "https://user:word@bank.example.com/"),
        ("website", "https://localhost/"),
        ("website", "http://[::1]/"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../../etc/passwd"),
    ],
)
def test_it_says_what_is_wrong_with_an_organisation(field: str, value: str) -> None:
    form = OrganisationForm({**ANSWERS, field: value})
    assert not form.is_valid()
    assert form.errors.keys() == {field}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("sending_address", "bills", "sending_address"),
        ("sending_address", "bills@other.example.com", "domain"),
        ("sending_address", "bills@notbank.example.com", "domain"),
        ("sending_address", "bills@bank.example.com\nBcc: x@example.net", "sending_address"),
        ("domain", "https://bank.example.com", "domain"),
        ("domain", "com", "domain"),
        ("domain", "*.example.com", "domain"),
        ("domain", "gmail.com", "domain"),
        ("domain", "127.0.0.1", "domain"),
        ("domain", "a" * 254, "domain"),
    ],
)
def test_it_says_what_is_wrong_with_a_sender(field: str, value: str, named: str) -> None:
    form = SendingForm({**ANSWERS, field: value})
    assert not form.is_valid()
    assert form.errors.keys() == {named}


@pytest.mark.parametrize(("address", "domain"), [("Bills@Bank.Example.com", "bank.example.com"), ("bills@post.bank.example.com", "bank.example.com"),
                                                 ("rechnung@bücher.example.com", "bücher.example.com")])  # fmt: skip
def test_it_takes_an_address_in_the_domain_or_below_it(address: str, domain: str) -> None:
    form = SendingForm({"sending_address": address, "domain": domain})
    assert form.is_valid(), form.errors
    assert str(form.cleaned_data["sending_address"]).isascii()


@pytest.mark.parametrize("phone", ["", "0", "call me", "+49 30 901820\n", "+49 30 901820<script>", "+" * 20])
def test_it_says_what_is_wrong_with_a_contact(phone: str) -> None:
    form = ContactForm({**ANSWERS, "contact_phone": phone})
    assert form.is_valid() == (phone.strip() == "+49 30 901820")
