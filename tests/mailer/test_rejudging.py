"""Published certificates from elsewhere, judged anew: revoked ones leave for ever, lost trust names nobody, gained trust has its level."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from directory import answers, publishing
from directory.authorities import add_source, remove_authority
from directory.models import AuthorityKind, AuthoritySource, Certificate, CertificateStatus, Change, DirectoryEvent, Level, RevocationSource
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer import tasks
from mailer.rejudging import rejudge, rejudge_due, rejudge_source
from mailer.smime.outcomes import Outcome
from mailer.trust_store import judge_foreign
from tests.mailer.foreign import OPERATOR, STRICT, ForeignAuthority, keep, trust
from tests.mailer.web import Web, gives, serving
from tests.pki import Holder

pytestmark = pytest.mark.django_db
BOB, CHARLIE = "bob@example.net", "charlie@shop.example.net"
WORKER = "system:worker"
DAY = timedelta(days=1)
PERSON = ((NameOID.ORGANIZATION_NAME, "Elsewhere GmbH"), (NameOID.GIVEN_NAME, "Bob"), (NameOID.SURNAME, "Builder"))


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    authority = ForeignAuthority(now)
    trust(authority.root, at=now)
    keep(authority.crl(issuer=authority.root), authority.crl(), at=now)
    return authority


def publish(holder: Holder, email: str, chain: list[bytes], *, at: datetime) -> Certificate:
    """As a proof would: judged first."""
    judgement = judge_foreign(holder.der, chain, at=at)
    certificate = publishing.publish(
        address=EmailAddress.parse(email),
        parsed=parse_certificate(holder.der),
        level=judgement.level,
        trust=judgement.trust,
        chain=chain,
        source="uploaded",
        actor="publication:test",
        at=at,
    )
    Change.objects.all().delete()
    return certificate


@pytest.fixture
def bob(elsewhere: ForeignAuthority, now: datetime) -> Certificate:
    return publish(elsewhere.leaf(BOB, STRICT["V3"], subject=PERSON), BOB, elsewhere.chain, at=now)


def answer_of(email: str) -> bytes:
    """The prepared answer."""
    return answers.read_one(email).octets()


def facts(certificate: Certificate) -> tuple[str, str, str, str]:
    certificate.refresh_from_db()
    return certificate.status, certificate.level, certificate.trust, certificate.name


GOOD = (CertificateStatus.PUBLISHED, Level.V3, Outcome.VERIFIED, "Bob Builder")


def test_it_leaves_what_is_as_it_was(bob: Certificate, now: datetime) -> None:
    events = DirectoryEvent.objects.count()
    assert rejudge_due(actor=WORKER, at=now + DAY) == 1
    assert facts(bob) == GOOD
    assert bob.judged_at == now + DAY
    assert DirectoryEvent.objects.count() == events
    assert not Change.objects.exists()


def test_it_judges_each_once_a_day(bob: Certificate, now: datetime) -> None:
    assert bob.judged_at == now
    assert rejudge_due(actor=WORKER, at=now + DAY / 2) == 0
    assert rejudge_due(actor=WORKER, at=now + DAY) == 1
    assert rejudge_due(actor=WORKER, at=now + DAY) == 0


def test_what_its_issuer_revoked_leaves_for_ever(elsewhere: ForeignAuthority, bob: Certificate, now: datetime) -> None:
    holder = Holder(x509.load_der_x509_certificate(bytes(bob.der)), elsewhere.issuer.key)
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl([holder], reason=x509.ReasonFlags.key_compromise, number=2), at=now)
    rejudge_due(actor=WORKER, at=now + DAY)
    bob.refresh_from_db()
    assert (bob.status, bob.revocation_reason, bob.ended_at) == (CertificateStatus.REVOKED, "key_compromise", now + DAY)
    assert b'"none"' in answer_of(BOB)
    last = DirectoryEvent.objects.latest("id")
    assert (last.actor, last.verb, last.detail) == (WORKER, "certificate.revoked", {"reason": "key_compromise"})
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl(number=3), at=now)
    assert rejudge_due(actor=WORKER, at=now + 2 * DAY) == 0, "nothing brings it back"


def test_lost_trust_names_nobody(elsewhere: ForeignAuthority, bob: Certificate, now: datetime) -> None:
    assert b"Bob Builder" in answer_of(BOB)
    fingerprint = parse_certificate(elsewhere.root.der).fingerprint
    remove_authority(fingerprint=fingerprint, source=AuthoritySource.ADDED, actor=OPERATOR, at=now)
    rejudge_due(actor=WORKER, at=now + DAY)
    assert facts(bob) == (CertificateStatus.PUBLISHED, Level.EXTERNAL, Outcome.UNTRUSTED, "")
    assert bob.organization_name == ""
    assert b'"external"' in answer_of(BOB)
    assert b"Bob Builder" not in answer_of(BOB)
    last = DirectoryEvent.objects.latest("id")
    assert (last.actor, last.verb, last.subject) == (WORKER, "certificate.judged", f"certificate:{bob.fingerprint}")
    assert last.detail == {"level": "external", "trust": "untrusted", "before": "V3"}
    assert BOB not in str(last.detail) + last.subject


def test_gained_trust_has_its_level(elsewhere: ForeignAuthority, now: datetime) -> None:
    other = ForeignAuthority(now, name="Later")
    certificate = publish(other.leaf(BOB, STRICT["V4"], subject=PERSON[:1]), BOB, other.chain, at=now)
    assert facts(certificate)[1:] == (Level.EXTERNAL, Outcome.UNTRUSTED, "")
    trust(other.root, at=now)
    keep(other.crl(issuer=other.root), other.crl(), elsewhere.crl(), at=now)
    rejudge_due(actor=WORKER, at=now + DAY)
    assert facts(certificate)[1:3] == (Level.V4, Outcome.VERIFIED)
    assert b"Elsewhere GmbH" in answer_of(BOB)
    assert Change.objects.get().match == BOB, "what was held for a better level is looked at again"


def test_an_expired_root_and_a_list_that_ran_out_take_the_level(bob: Certificate, now: datetime) -> None:
    rejudge_due(actor=WORKER, at=now + 8 * DAY)
    assert facts(bob)[:3] == (CertificateStatus.PUBLISHED, Level.EXTERNAL, Outcome.UNKNOWN_REVOCATION)


def test_what_has_run_out_keeps_what_was_said_of_it(bob: Certificate, now: datetime) -> None:
    later = now + timedelta(days=400)
    rejudge_due(actor=WORKER, at=later)
    assert facts(bob) == GOOD
    assert bob.judged_at == later


def test_what_was_issued_here_is_not_judged(bob: Certificate, now: datetime) -> None:
    Certificate.objects.update(source="issued", judged_at=None)
    assert rejudge_due(actor=WORKER, at=now + DAY) == 0
    assert facts(bob) == GOOD


def test_those_never_judged_come_first(elsewhere: ForeignAuthority, bob: Certificate, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    other = publish(elsewhere.leaf(CHARLIE), CHARLIE, [], at=now)
    Certificate.objects.filter(pk=other.pk).update(judged_at=None)
    order: list[int] = []
    monkeypatch.setattr("mailer.rejudging.rejudge", lambda certificate, **_: order.append(certificate.pk))
    monkeypatch.setattr("mailer.rejudging._SECONDS", 0.0001)
    rejudge_due(actor=WORKER, at=now + DAY)
    assert order == [other.pk, bob.pk]


def test_a_change_in_between_is_not_overwritten(elsewhere: ForeignAuthority, bob: Certificate, now: datetime) -> None:
    stale = Certificate.objects.get(pk=bob.pk)
    publishing.judge(certificate=Certificate.objects.get(pk=bob.pk), level=Level.EXTERNAL, trust=Outcome.UNTRUSTED, actor=WORKER, at=now)
    assert publishing.judge(certificate=stale, level=Level.V4, trust=Outcome.VERIFIED, actor=WORKER, at=now) is False
    assert facts(bob)[1] == Level.EXTERNAL
    publishing.erase(mailbox=bob.mailbox, actor=WORKER, at=now)
    rejudge(stale, actor=WORKER, at=now)
    assert facts(bob)[0] == CertificateStatus.ERASED
    assert elsewhere.chain


def test_a_mailbox_that_is_hidden_stays_so(elsewhere: ForeignAuthority, bob: Certificate, now: datetime) -> None:
    publishing.hide(mailbox=bob.mailbox, actor=OPERATOR, at=now)
    keep(elsewhere.crl(), at=now)
    RevocationSource.objects.filter(url__endswith="1.crl").delete()
    rejudge_due(actor=WORKER, at=now + DAY)
    assert facts(bob)[1] == Level.EXTERNAL
    assert b'"none"' in answer_of(BOB)


@pytest.fixture
def web(settings: Settings) -> Iterator[Web]:
    settings.LETTERLOCK_PRIVATE_SOURCES = True
    with serving() as found:
        yield found


def test_a_new_list_has_its_issuers_certificates_judged_at_once(elsewhere: ForeignAuthority, bob: Certificate, web: Web, now: datetime) -> None:
    trust(elsewhere.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    charlie = publish(ForeignAuthority(now, name="Charlie").leaf(CHARLIE), CHARLIE, [], at=now)
    RevocationSource.objects.update(fetched_at=now + timedelta(days=300))
    source = add_source(url=web.url(), actor=OPERATOR, at=now)
    holder = Holder(x509.load_der_x509_certificate(bytes(bob.der)), elsewhere.issuer.key)
    web.answer = gives(elsewhere.crl([holder], number=2))
    tasks.fetch_revocation_lists()
    assert facts(bob)[0] == CertificateStatus.PUBLISHED, "the task that judges is another"
    assert rejudge_source(source.pk, actor=WORKER, at=now + timedelta(minutes=1)) == 1
    assert facts(bob)[0] == CertificateStatus.REVOKED
    assert facts(charlie)[0] == CertificateStatus.PUBLISHED
    charlie.refresh_from_db()
    assert charlie.judged_at == now


def test_a_new_list_of_the_root_has_those_below_judged(elsewhere: ForeignAuthority, bob: Certificate, now: datetime) -> None:
    trust(elsewhere.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root, number=2), elsewhere.crl(), at=now)
    source = RevocationSource.objects.get(url__endswith="0.crl")
    assert rejudge_source(source.pk, actor=WORKER, at=now) == 1
    assert facts(bob)[:3] == (CertificateStatus.SUPERSEDED, Level.EXTERNAL, "issuer_revoked")
    assert b'"none"' in answer_of(BOB)
    keep(elsewhere.crl(issuer=elsewhere.root, number=3), at=now)
    assert rejudge_due(actor=WORKER, at=now + 2 * DAY) == 0, "its owner may prove it again"


def test_a_source_without_a_list_has_nothing_judged(bob: Certificate, now: datetime) -> None:
    source = add_source(url="http://crl.example.org/none.crl", actor=OPERATOR, at=now)
    assert rejudge_source(source.pk, actor=WORKER, at=now) == 0
    assert rejudge_source(source.pk + 1000, actor=WORKER, at=now) == 0
    assert facts(bob) == GOOD
