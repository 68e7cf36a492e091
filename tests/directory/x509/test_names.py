"""Addresses: shown as given, matched folded, and nothing taken that a mail system could read in two ways."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.x509.errors import AddressError, MalformedAddressError, MalformedDomainError
from directory.x509.names import EmailAddress, parse_domain


@pytest.mark.parametrize(
    ("text", "address", "match"),
    [
        ("alice@example.com", "alice@example.com", "alice@example.com"),
        ("Alice.Smith+Tag@EXAMPLE.Com", "Alice.Smith+Tag@example.com", "alice.smith+tag@example.com"),
        ("o'neil_{x}|~@mail.example.net", "o'neil_{x}|~@mail.example.net", "o'neil_{x}|~@mail.example.net"),
        ("bob@bücher.example.org", "bob@xn--bcher-kva.example.org", "bob@xn--bcher-kva.example.org"),
        ("bob@XN--BCHER-KVA.example.org", "bob@xn--bcher-kva.example.org", "bob@xn--bcher-kva.example.org"),
        ("Δοκιμή@example.com", "Δοκιμή@example.com", "δοκιμή@example.com"),
        ("用户@例子.example.com", "用户@xn--fsqu00a.example.com", "用户@xn--fsqu00a.example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_it_takes_an_address_and_folds_it(text: str, address: str, match: str) -> None:
    parsed = EmailAddress.parse(text)
    assert (parsed.address, parsed.match) == (address, match)
    assert f"{parsed.local}@{parsed.domain}" == parsed.address == str(parsed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@example.com",
        "alice@",
        "alice@localhost",
        "alice@example.com.",
        "alice@.example.com",
        "alice@example..com",
        "alice@-example.com",
        "alice@example-.com",
        "alice@exa_mple.com",
        "alice@127.0.0.1",
        "alice@[127.0.0.1]",
        "alice@example.123",
        "alice@" + "a" * 64 + ".com",
        "alice@" + ".".join(["a" * 60] * 5),
        "alice@xn--.example.com",
        "alice@xn--a.example.com",
        "alice@xn--exmple-cua.xn--ab",
        '"alice"@example.com',
        '"<script>"@example.com',
        "a%evil.example.net@example.com",
        "evil!alice@example.com",
        "alice bob@example.com",
        " alice@example.com",
        "alice@example.com ",
        "alice@example.com\n",
        "alice\r\nBcc: x@example.com",
        "al\x00ice@example.com",
        "al\x7fice@example.com",
        ".alice@example.com",
        "alice.@example.com",
        "al..ice@example.com",
        "alice@bob@example.com",
        "alice,bob@example.com",
        "Alice <alice@example.com>",
        "a" * 65 + "@example.com",
        "ü" * 33 + "@example.com",
        "alice\N{ZERO WIDTH SPACE}@example.com",
        "alice\N{RIGHT-TO-LEFT OVERRIDE}@example.com",
        "alice\N{NO-BREAK SPACE}b@example.com",
        "\N{FULLWIDTH COMMERCIAL AT}alice@example.com",
        "alice\ud800@example.com",
        "\ue000alice@example.com",
        "u\N{COMBINING DIAERESIS}ber@example.com",
        "(comment)alice@example.com",
        "al\\ice@example.com",
    ],
)
def test_it_refuses_what_could_be_read_in_two_ways(text: str) -> None:
    with pytest.raises(MalformedAddressError):
        EmailAddress.parse(text)


@pytest.mark.parametrize("twin", ["\N{LATIN SMALL LETTER LONG S}am@example.com", "\N{FULLWIDTH LATIN SMALL LETTER S}am@example.com"])
def test_it_refuses_a_character_that_stands_for_another(twin: str) -> None:
    """Else whoever owns the twin's mailbox could publish for `sam`."""
    with pytest.raises(MalformedAddressError):
        EmailAddress.parse(twin)


def test_it_keeps_apart_mailboxes_that_full_case_folding_would_join() -> None:
    assert EmailAddress.parse("straße@example.com").match != EmailAddress.parse("strasse@example.com").match


def test_it_refuses_u_labels_where_a_certificate_must_have_a_labels() -> None:
    with pytest.raises(MalformedAddressError):
        EmailAddress.parse("bob@bücher.example.org", a_labels_only=True)
    assert EmailAddress.parse("bób@xn--bcher-kva.example.org", a_labels_only=True).domain == "xn--bcher-kva.example.org"


def test_it_parses_domains() -> None:
    assert parse_domain("Bücher.Example.ORG") == "xn--bcher-kva.example.org"
    for bad in ("com", "exa mple.com", "example.com/", "1.2.3.4", "ex\N{ZERO WIDTH JOINER}ample.com", "ü" * 300 + ".com"):
        with pytest.raises(MalformedDomainError):
            parse_domain(bad)


@given(st.text(max_size=80))
def test_it_parses_any_text_or_ends_in_its_own_error(text: str) -> None:
    try:
        parsed = EmailAddress.parse(text)
    except AddressError:
        return
    assert EmailAddress.parse(parsed.address) == parsed
    assert EmailAddress.parse(parsed.match).match == parsed.match


_local = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20).map(lambda text: unicodedata.normalize("NFKC", text))
_domain = st.lists(st.text(string.ascii_letters + string.digits, min_size=1, max_size=10), min_size=2, max_size=4).map(".".join)


@given(_local, _domain)
def test_it_gives_one_form_to_all_spellings(local: str, domain: str) -> None:
    try:
        parsed = EmailAddress.parse(f"{local}@{domain}")
    except AddressError:
        return
    assert parsed.address.rpartition("@")[0] == local
    assert EmailAddress.parse(f"{local}@{domain.swapcase()}") == parsed
    assert not any(unicodedata.category(c)[0] in "CZ" for c in parsed.match)
    # The address goes into JSON by a join of bytes.
    assert not set('"\\') & set(parsed.address)
