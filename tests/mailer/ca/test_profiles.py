"""Every profile, in every key and with every odd name, has no finding at NOTICE or above; what cannot be named is refused."""

from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mailer.ca.errors import LintError, NameRefusedError
from mailer.ca.lint import authority_findings, demand_none, revocation_list_findings, subscriber_findings
from mailer.ca.names import authority_subject, organization_name, organization_subject
from mailer.ca.profiles import (
    PROFILES,
    REVOCATION_LIST_LIFE,
    ROOT_REVOCATION_LIST_LIFE,
    Addresses,
    AuthorityKey,
    Issuer,
    PolicyArc,
    Profile,
    Revoked,
    SubjectFacts,
    authority_builder,
    last_second,
    new_serial,
    revocation_list_builder,
    root_builder,
    subscriber_builder,
    whole_second,
)
from mailer.ca.signing import sign_certificate, sign_revocation_list
from tests.pki import key_of

AT = whole_second(datetime.now(UTC))
ADDRESSES = Addresses("http://pki.example.org")
ASSERTING = PolicyArc("1.3.6.1.4.1.32473.1", asserts_reserved=True)
NOT_ASSERTING = PolicyArc("1.3.6.1.4.1.32473.1", asserts_reserved=False)
NAMES = [
    "Muster Bank AG",
    "银行有限公司",
    "Банк «Пример»",
    "بنك المثال",
    'Bank "in quotes"',
    "O'Brien & Sons, CN=Evil/O=Root+OU=x\\, #1; <b>",
    "Bank 🏦 of Emoji",
    "Cafe\u0301 Bank",
    "a",
    "x" * 64,
    "Beispielhafte Kreditanstalt für Wiederholungen Gesellschaft mit beschränkter Haftung",
]


@cache
def hierarchy(kind: str, policy: PolicyArc) -> tuple[tuple[Issuer, AuthorityKey], tuple[Issuer, AuthorityKey]]:
    """A root and an S/MIME CA of one kind of key; each certificate linted at NOTICE while it is signed."""
    root_key, key = key_of(kind, "root"), key_of(kind, "smime")
    root = root_builder(authority_subject("DE", "Beispiel", "Beispiel Root 1"), key=root_key.public_key(), serial=new_serial(), not_before=AT)
    root_issuer = Issuer("root-1", sign_certificate(root, root_key, lint=lambda der: authority_findings(der, floor="NOTICE")))
    smime = authority_builder(
        authority_subject("DE", "Beispiel", "Beispiel S/MIME CA 1"),
        issuer=root_issuer,
        key=key.public_key(),
        serial=new_serial(),
        not_before=AT,
        addresses=ADDRESSES,
        policy=policy,
    )
    issuer = Issuer("smime-1", sign_certificate(smime, root_key, lint=lambda der: authority_findings(der, floor="NOTICE")))
    return (root_issuer, root_key), (issuer, key)


def issue(profile: Profile, *, ca: str = "p384", key: str = "p256", name: str = "Muster Bank AG", identifier: str = "NTRDE-DER3306.HRB12345",
          country: str = "DE", address: str = "bills@bank.example.com", policy: PolicyArc = ASSERTING) -> x509.Certificate:  # fmt: skip
    _root, (issuer, signing_key) = hierarchy(ca, policy)
    builder = subscriber_builder(
        profile,
        issuer=issuer,
        key=key_of(key).public_key(),
        serial=new_serial(),
        not_before=AT,
        not_after=last_second(AT, profile.life),
        subject=SubjectFacts(name, country, identifier),
        address=address,
        shard=7,
        addresses=ADDRESSES,
        policy=policy,
    )
    return sign_certificate(
        builder, signing_key, lint=lambda der: subscriber_findings(der, profile, asserts_reserved=policy.asserts_reserved, floor="NOTICE")
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@pytest.mark.parametrize("key", ["rsa2048", "rsa3072", "p256", "p384"])
@pytest.mark.parametrize("ca", ["p384", "rsa4096"])
def test_it_lints_clean_in_every_key(profile: Profile, key: str, ca: str) -> None:
    issue(profile, key=key, ca=ca)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@pytest.mark.parametrize("name", NAMES)
def test_it_lints_clean_with_odd_names(profile: Profile, name: str) -> None:
    issued = issue(profile, name=name)
    assert issued.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == organization_name(name)
    # Whatever the name holds, it is one value of one attribute.
    assert [attribute.oid for attribute in issued.subject] == [
        NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATION_IDENTIFIER, NameOID.COMMON_NAME,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("identifier", "country"),
    [
        ("NTRDE-DER3306.HRB12345", "DE"),
        ("NTRGB-12345678", "GB"),
        ("NTRUS+CA-12345678", "US"),
        ("VATDE-123456789", "DE"),
        ("PSDBE-NBB-1234.567.890", "BE"),
        ("LEIXG-529900T8BM49AURSDO55", "DE"),
        ("GOVDE", "DE"),
        ("GOVUS+CA", "US"),
    ],
)
def test_it_lints_clean_with_every_scheme(identifier: str, country: str) -> None:
    for profile in PROFILES.values():
        issue(profile, identifier=identifier, country=country)


@pytest.mark.parametrize(
    ("identifier", "country"), [("GOVDE-123", "DE"), ("VATEL-123456789", "GR"), ("NTRGB-12345678", "DE"), ("LEIDE-529900T8BM49AURSDO55", "DE")]
)
def test_it_stops_at_identifiers_that_the_rules_refuse(identifier: str, country: str) -> None:
    for profile in PROFILES.values():
        with pytest.raises(LintError):
            issue(profile, identifier=identifier, country=country)


@pytest.mark.parametrize(
    "address", ["a@b.example.com", "o'brien+tag@mail.example.com", "bills@xn--mnchen-3ya.example.com", f"{'x' * 64}@bank.example.com"]
)
def test_it_lints_clean_with_every_address(address: str) -> None:
    for profile in PROFILES.values():
        issue(profile, address=address)


def test_it_asserts_the_reserved_policy_only_where_it_is_told() -> None:
    for profile in PROFILES.values():
        plain = issue(profile, policy=NOT_ASSERTING)
        policies = plain.extensions.get_extension_for_class(x509.CertificatePolicies).value
        assert [policy.policy_identifier.dotted_string for policy in policies] == [f"1.3.6.1.4.1.32473.1.{profile.own_policy}"]
        _root, (issuer, _key) = hierarchy("p384", NOT_ASSERTING)
        over = issuer.certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
        assert not [policy for policy in over if policy.policy_identifier.dotted_string.startswith("2.23.140")]


@pytest.mark.parametrize("ca", ["p384", "rsa4096"])
def test_it_lints_clean_in_revocation_lists(ca: str) -> None:
    (root, root_key), (issuer, key) = hierarchy(ca, ASSERTING)
    reasons = ["key_compromise", "affiliation_changed", "superseded", "cessation_of_operation", "privilege_withdrawn"]
    revoked = [Revoked(new_serial(), AT, None), *(Revoked(new_serial(), AT, x509.ReasonFlags[reason]) for reason in reasons)]
    shard = revocation_list_builder(issuer, number=1, shard=3, revoked=revoked, this_update=AT, life=REVOCATION_LIST_LIFE, addresses=ADDRESSES)
    signed = sign_revocation_list(shard, key, sample=shard, lint=lambda der: revocation_list_findings(der, of_root=False, floor="NOTICE"))
    assert [entry.serial_number for entry in signed] == [entry.serial for entry in revoked]
    whole = revocation_list_builder(root, number=1, shard=None, revoked=[], this_update=AT, life=ROOT_REVOCATION_LIST_LIFE, addresses=ADDRESSES)
    sign_revocation_list(whole, root_key, sample=whole, lint=lambda der: revocation_list_findings(der, of_root=True, floor="NOTICE"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        " Bank",
        "Bank ",
        "Bank  AG",
        "Bank\x00",
        "Bank\n",
        "Bank\x07",
        "Bank\u202eGA",
        "Bank\u200b",
        "Bank\ud800",
        "Bank\ue000",
        "Bank\u2028",
        "x" * 65,
        "x" * 200,
    ],
)
def test_it_refuses_names_that_cannot_be_shown_or_do_not_fit(name: str) -> None:
    with pytest.raises(NameRefusedError):
        organization_subject(name, "DE", "NTRDE-DER3306.HRB12345")


@pytest.mark.parametrize("country", ["", "D", "de", "DEU", "D\n", "ÄÖ"])
def test_it_refuses_what_is_no_country(country: str) -> None:
    with pytest.raises(NameRefusedError):
        organization_subject("Bank", country, "NTRDE-DER3306.HRB12345")


@pytest.mark.parametrize("identifier", ["", "HRB 12345", "NTRDE-HRB 1", "NTRDE-\x00", "ntrde-1", "NTRDE-1\n", "XXXDE-1", "NTRDE-" + "1" * 200])
def test_it_refuses_what_is_no_identifier(identifier: str) -> None:
    with pytest.raises(NameRefusedError):
        organization_subject("Bank", "DE", identifier)


def test_it_shortens_a_legal_form_and_nothing_else() -> None:
    long = "Beispielhafte Kreditanstalt für Wiederholungen Gesellschaft mit beschränkter Haftung"
    assert organization_name(long) == "Beispielhafte Kreditanstalt für Wiederholungen GmbH"
    short = "Gesellschaft mit beschränkter Haftung"
    assert organization_name(short) == short


def test_it_has_128_random_bits_in_every_serial() -> None:
    serials = {new_serial() for _ in range(1000)}
    assert len(serials) == 1000
    assert {serial.bit_length() for serial in serials} == {129}


def test_it_reports_what_the_linter_finds() -> None:
    _root, (issuer, key) = hierarchy("p384", ASSERTING)
    builder = subscriber_builder(
        PROFILES["v4-signing"],
        issuer=issuer,
        key=key_of("p256").public_key(),
        serial=new_serial(),
        not_before=AT,
        not_after=last_second(AT, PROFILES["v4-signing"].life * 2),
        subject=SubjectFacts("Bank", "DE", "NTRDE-DER3306.HRB12345"),
        address="bills@bank.example.com",
        shard=0,
        addresses=ADDRESSES,
        policy=ASSERTING,
    )
    lax = sign_certificate(builder, key, lint=lambda _der: [])
    found = subscriber_findings(lax.public_bytes(Encoding.DER), PROFILES["v4-signing"], asserts_reserved=True)
    assert any("validity" in finding.code for finding in found)
    with pytest.raises(LintError, match="validity"):
        demand_none(found)
