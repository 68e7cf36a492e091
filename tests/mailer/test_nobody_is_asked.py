"""The addresses in a stranger's certificates (AIA, OCSP, CRL distribution points) lead to a listening socket, to which nobody may connect."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.test import Client

from directory.models import Certificate, Level, Organization
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer import tasks
from mailer.admitting import admit
from mailer.collecting import contribute
from mailer.models import ConsentStatus
from mailer.proving import submit
from mailer.rejudging import rejudge_due
from mailer.smime.outcomes import Outcome
from mailer.trust_store import Judgement, judge_foreign
from tests.mailer.foreign import OPERATOR, STRICT, ForeignAuthority, keep, trust
from tests.mailer.signed_mail import mail, signature
from tests.mailer.web import Web, gives, serving
from tests.pki import Holder

pytestmark = pytest.mark.django_db
BOB = "bob@example.net"


@pytest.fixture
def web() -> Iterator[Web]:
    """Where every certificate says that its issuer, its status and its CRL are to be had."""
    with serving() as found:
        yield found
        assert found.connections == 0


@pytest.fixture
def charlie(web: Web, now: datetime) -> ForeignAuthority:
    authority = ForeignAuthority(now, name="Charlie", asks_at=web.url("/anything"))
    web.answer = gives(authority.crl())
    return authority


@pytest.fixture
def leaf(charlie: ForeignAuthority) -> Holder:
    return charlie.leaf(BOB, STRICT["V3"])


@pytest.fixture
def trusted(charlie: ForeignAuthority, now: datetime) -> None:
    """So that nothing but the revocation is missing, and asking would bring it."""
    trust(charlie.root, at=now)
    keep(charlie.crl(issuer=charlie.root), at=now)


def test_not_when_it_is_judged(charlie: ForeignAuthority, leaf: Holder, now: datetime) -> None:
    assert judge_foreign(leaf.der, [], at=now).trust == Outcome.UNTRUSTED
    assert judge_foreign(leaf.der, [*charlie.chain, charlie.root.der], at=now).trust == Outcome.UNTRUSTED


@pytest.mark.usefixtures("trusted")
def test_not_when_only_its_revocation_is_unknown(charlie: ForeignAuthority, leaf: Holder, now: datetime) -> None:
    assert judge_foreign(leaf.der, charlie.chain, at=now) == Judgement(Level.EXTERNAL, Outcome.UNKNOWN_REVOCATION)


@pytest.mark.usefixtures("trusted")
def test_not_when_it_is_uploaded(charlie: ForeignAuthority, leaf: Holder, client: Client, now: datetime) -> None:
    submit(address=EmailAddress.parse(BOB), der=leaf.der, organization=None, actor="user:bob", at=now)
    pem = leaf.pem + charlie.issuer.pem + charlie.root.pem
    answer = client.post("/api/v1/publications", {"address": BOB, "certificate": pem.decode()}, content_type="application/json")
    assert answer.status_code < 500


@pytest.mark.usefixtures("trusted")
def test_not_when_it_signed_a_contribution(charlie: ForeignAuthority, leaf: Holder, bank: Organization, now: datetime) -> None:
    message = mail(signature(leaf, [leaf.der, *charlie.chain, charlie.root.der]), sender=f"Bob <{BOB}>")
    consent = contribute(message, organization=bank, actor="token:1", at=now, texts=lambda _name: [])
    assert (consent.status, consent.reason) == (ConsentStatus.REFUSED, Outcome.UNKNOWN_REVOCATION)


@pytest.mark.usefixtures("trusted")
def test_not_when_it_is_judged_anew(charlie: ForeignAuthority, leaf: Holder, now: datetime) -> None:
    publish(
        address=EmailAddress.parse(BOB),
        parsed=parse_certificate(leaf.der),
        level=Level.EXTERNAL,
        source="imported",
        chain=charlie.chain,
        actor="operator:import",
        at=now,
    )
    assert rejudge_due(actor="system:worker", at=now) == 1
    assert Certificate.objects.get().trust == Outcome.UNKNOWN_REVOCATION


def test_not_when_an_operator_trusts_it(charlie: ForeignAuthority, now: datetime) -> None:
    """Only what the operator names as an address of a CRL is one."""
    admit(charlie.root.pem + charlie.issuer.pem, actor=OPERATOR, at=now)
    tasks.fetch_revocation_lists()
