"""What the trust store knows to be revoked, or to stand below what is, is refused by an import as by a proof."""

from datetime import datetime

import pytest

from directory.errors import RevokedCertificateError
from directory.models import AuthorityKind, Certificate
from directory.x509.certificate import parse_certificate
from mailer.crl_listings import Listings
from mailer.importing import Progress
from mailer.trust_store import folded_names
from tests.mailer.foreign import STRICT, ForeignAuthority, keep, trust
from tests.mailer.test_importing import entry, run

pytestmark = pytest.mark.django_db
BOB = "bob@example.net"


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    authority = ForeignAuthority(now)
    trust(authority.root, at=now)
    trust(authority.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    return authority


def test_it_is_imported_while_all_is_well(elsewhere: ForeignAuthority, now: datetime) -> None:
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl(), at=now)
    run(entry(elsewhere.leaf(BOB, STRICT["V1"])), at=now)
    assert Certificate.objects.get().level == "V1"


def test_it_refuses_what_its_issuer_has_revoked(elsewhere: ForeignAuthority, now: datetime) -> None:
    holder = elsewhere.leaf(BOB, STRICT["V1"])
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl([holder]), at=now)
    assert run(entry(holder), at=now) == (Progress(refused=1), ["revoked_certificate"])


def test_it_refuses_what_has_a_revoked_authority_above_it(elsewhere: ForeignAuthority, now: datetime) -> None:
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root), elsewhere.crl(), at=now)
    assert run(entry(elsewhere.leaf(BOB, STRICT["V1"])), at=now) == (Progress(refused=1), ["revoked_issuer"])
    assert not Certificate.objects.exists()


def test_it_refuses_what_is_listed_though_no_policy_would_give_it_a_level(elsewhere: ForeignAuthority, now: datetime) -> None:
    holder, other = elsewhere.leaf(BOB), elsewhere.leaf("carol@example.net")
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl([holder]), at=now)
    assert run(entry(holder), entry(other), at=now) == (Progress(published=1, refused=1), ["revoked_certificate"])
    assert Certificate.objects.get().fingerprint == parse_certificate(other.der).fingerprint


def test_it_refuses_what_is_listed_though_its_issuer_is_not_in_the_trust_store(now: datetime) -> None:
    authority = ForeignAuthority(now)
    holder = authority.leaf(BOB)
    keep(authority.crl([holder]), at=now)
    assert run(entry(holder), at=now) == (Progress(refused=1), ["revoked_certificate"])


def test_it_refuses_what_a_revoked_authority_issued_though_no_policy_would_give_it_a_level(elsewhere: ForeignAuthority, now: datetime) -> None:
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root), at=now)
    assert run(entry(elsewhere.leaf(BOB)), at=now) == (Progress(refused=1), ["revoked_issuer"])


def test_charlies_list_says_nothing_about_another_issuers_certificate(elsewhere: ForeignAuthority, now: datetime) -> None:
    charlie = ForeignAuthority(now, name="Charlie")
    holder = elsewhere.leaf(BOB)
    keep(charlie.crl([holder, elsewhere.issuer]), charlie.crl([elsewhere.issuer], issuer=charlie.root), at=now)
    assert run(entry(holder), at=now) == (Progress(published=1), [])


def test_a_delta_is_left_to_path_validation(elsewhere: ForeignAuthority, now: datetime) -> None:
    holder = elsewhere.leaf(BOB)
    keep(elsewhere.crl([holder], delta=True), at=now)
    assert run(entry(holder), at=now) == (Progress(published=1), [])


def test_it_reads_the_lists_anew_when_they_have_changed(elsewhere: ForeignAuthority, now: datetime) -> None:
    listings, holder = Listings(), elsewhere.leaf(BOB)
    issuer, serial = folded_names(holder.der)[1], holder.certificate.serial_number
    listings.refresh()
    listings.check(issuer=issuer, serial=serial)
    keep(elsewhere.crl([holder]), at=now)
    listings.refresh()
    with pytest.raises(RevokedCertificateError):
        listings.check(issuer=issuer, serial=serial)
