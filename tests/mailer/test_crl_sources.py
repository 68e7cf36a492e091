"""CRLs of other authorities: fetched where the operator said, believed only if a trusted authority signed them, never set back."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from directory.authorities import add_source, remove_source
from directory.models import AuthorityKind, DirectoryEvent, Level, RevocationSource
from mailer import crl_sources
from mailer.crl_sources import fetch_due
from mailer.smime.outcomes import Outcome
from mailer.trust_store import judge_foreign
from portal.running.nameserver import Zone
from tests.mailer.foreign import OPERATOR, STRICT, ForeignAuthority, keep, trust
from tests.mailer.web import Web, gives, serving

pytestmark = pytest.mark.django_db
BOB, CHARLIE = "bob@example.net", "charlie@shop.example.net"
WORKER = "system:worker"
HOUR = timedelta(hours=1)


@pytest.fixture
def web(settings: Settings) -> Iterator[Web]:
    settings.LETTERLOCK_PRIVATE_SOURCES = True
    with serving() as found:
        yield found


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    authority = ForeignAuthority(now)
    trust(authority.root, at=now)
    trust(authority.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    return authority


@pytest.fixture
def source(web: Web, now: datetime) -> RevocationSource:
    return add_source(url=web.url(), actor=OPERATOR, at=now)


def fetched(web: Web, source: RevocationSource, crl: bytes, *, at: datetime) -> str:
    """What is said of a source after it was fetched; nothing where the list is kept."""
    web.answer = gives(crl)
    RevocationSource.objects.update(fetched_at=None)
    fetch_due(actor=WORKER, at=at)
    source.refresh_from_db()
    if not source.fault:
        assert source.crl is not None
        assert bytes(source.crl) == crl
    return source.fault


def test_it_keeps_what_a_trusted_authority_signed(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    leaf = elsewhere.leaf(BOB, STRICT["V3"])
    keep(elsewhere.crl(issuer=elsewhere.root), at=now)
    RevocationSource.objects.exclude(pk=source.pk).update(fetched_at=now)
    web.answer = gives(elsewhere.crl())
    assert judge_foreign(leaf.der, [], at=now).trust == Outcome.UNKNOWN_REVOCATION
    assert fetch_due(actor=WORKER, at=now) == [source.pk]
    assert judge_foreign(leaf.der, [], at=now).level is Level.V3
    last = DirectoryEvent.objects.latest("id")
    assert (last.actor, last.verb, last.detail) == (WORKER, "revocation_list.kept", {"number": 1})


def test_it_asks_once_an_hour(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    web.answer = gives(elsewhere.crl())
    assert fetch_due(actor=WORKER, at=now) == [source.pk]
    assert fetch_due(actor=WORKER, at=now + HOUR / 2) == []
    assert len(web.asked) == 1
    assert fetch_due(actor=WORKER, at=now + HOUR) == [], "the same list is no new one"
    assert len(web.asked) == 2
    assert DirectoryEvent.objects.filter(verb="revocation_list.kept").count() == 1


def test_it_believes_nobody_else(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    charlie = ForeignAuthority(now)
    assert charlie.issuer.certificate.subject == elsewhere.issuer.certificate.subject
    nobody = "no authority in the trust store has signed it"
    assert fetched(web, source, charlie.crl(), at=now) == nobody
    assert fetched(web, source, elsewhere.crl(issuer=elsewhere.leaf(CHARLIE)), at=now) == nobody
    good = elsewhere.crl()
    assert fetched(web, source, good[:-1] + bytes([good[-1] ^ 1]), at=now) == nobody
    assert source.crl is None


def test_it_takes_only_a_whole_list_that_is_in_time(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    assert fetched(web, source, elsewhere.crl(delta=True), at=now) == "it is a delta, not a whole list"
    assert fetched(web, source, elsewhere.crl(age=48 * HOUR, days=-1), at=now).startswith("it ran out at ")
    assert fetched(web, source, elsewhere.crl(age=-HOUR), at=now) == "it is of the future"
    for odd in (b"", b"<html>", elsewhere.issuer.der, elsewhere.crl()[:-5], elsewhere.crl() + b"\x00"):
        assert fetched(web, source, odd, at=now) == "it is not a revocation list in DER"
    assert source.crl is None


def test_it_is_never_set_back(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    """Who sits on the way to a plain http address can answer with what was true yesterday."""
    leaf = elsewhere.leaf(BOB)
    old, new = elsewhere.crl(number=7, age=5 * HOUR), elsewhere.crl([leaf], number=8)
    assert fetched(web, source, new, at=now) == ""
    for behind in (old, elsewhere.crl(number=7), elsewhere.crl(number=9, age=5 * HOUR)):
        assert fetched(web, source, behind, at=now) == "it is older than the one that is kept"
    assert "another list" in fetched(web, source, elsewhere.crl(issuer=elsewhere.root, number=99), at=now)
    assert source.crl is not None
    assert bytes(source.crl) == new
    assert fetched(web, source, new, at=now) == "", "and the fault is over when it is right again"
    assert fetched(web, source, elsewhere.crl([leaf], number=9, age=HOUR), at=now) == ""


def test_it_says_what_went_wrong_and_keeps_what_it_has(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    kept = elsewhere.crl()
    assert fetched(web, source, kept, at=now) == ""
    web.answer = gives(b"", 503)
    fetch_due(actor=WORKER, at=now + HOUR)
    source.refresh_from_db()
    assert (source.fault, bytes(source.crl or b"")) == ("it answers 503", kept)
    assert source.fetched_at == now + HOUR


def test_one_source_does_not_keep_the_others(web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime) -> None:
    add_source(url="http://127.0.0.1:1/nobody.crl", actor=OPERATOR, at=now)
    web.answer = gives(elsewhere.crl())
    assert fetch_due(actor=WORKER, at=now) == [source.pk]


def test_it_does_not_look_inside_unless_it_may(
    web: Web, source: RevocationSource, elsewhere: ForeignAuthority, settings: Settings, now: datetime
) -> None:
    settings.LETTERLOCK_PRIVATE_SOURCES = False
    web.answer = gives(elsewhere.crl())
    fetch_due(actor=WORKER, at=now)
    source.refresh_from_db()
    assert "not public" in source.fault
    assert web.connections == 0


def test_a_name_that_leads_inside_is_not_followed(web: Web, zone: Zone, settings: Settings, now: datetime) -> None:
    """Charlie's name server can say that his name is this machine."""
    source = add_source(url=web.url(host="crl.charlie.example.org"), actor=OPERATOR, at=now)
    zone.add("crl.charlie.example.org", "A", "93.184.215.14")
    zone.add("crl.charlie.example.org", "A", "127.0.0.1")
    settings.LETTERLOCK_PRIVATE_SOURCES = False
    fetch_due(actor=WORKER, at=now)
    source.refresh_from_db()
    assert source.fault == "crl.charlie.example.org has an address that is not public"
    assert web.connections == 0
    zone.remove("crl.charlie.example.org")
    zone.add("crl.charlie.example.org", "A", "127.0.0.1")
    settings.LETTERLOCK_PRIVATE_SOURCES = True
    fetch_due(actor=WORKER, at=now + HOUR)
    source.refresh_from_db()
    assert source.fault == "it is not a revocation list in DER"
    assert web.headers[0]["Host"] == f"crl.charlie.example.org:{web.port}"


def test_a_source_that_is_forgotten_while_it_is_fetched_stays_so(
    web: Web, source: RevocationSource, elsewhere: ForeignAuthority, now: datetime
) -> None:
    remove_source(url=source.url, actor=OPERATOR, at=now)
    web.answer = gives(elsewhere.crl())
    assert crl_sources.fetch_source(source, actor=WORKER, at=now) is False
    assert not RevocationSource.objects.exists()
