"""What the trust store knows to be revoked, or to stand below what is, is refused by an import as by a proof."""

from datetime import datetime

import pytest

from directory.models import AuthorityKind, Certificate
from mailer.importing import Progress
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
