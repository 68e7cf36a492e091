"""What a certificate from elsewhere is worth: a level only for a path to a chosen root that is known to be good, and never more than its policies."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from directory.authorities import remove_authority
from directory.models import AuthorityKind, AuthoritySource, Level
from mailer.models import Authority
from mailer.smime.outcomes import Outcome
from mailer.trust_store import ISSUER_REVOKED, RESERVED_POLICIES, Judgement, current_trust, judge_foreign
from tests.mailer.foreign import OPERATOR, STRICT, ForeignAuthority, keep, trust

pytestmark = pytest.mark.django_db
BOB, CHARLIE = "bob@example.net", "charlie@shop.example.net"
UNTRUSTED = Judgement(Level.EXTERNAL, Outcome.UNTRUSTED)
UNKNOWN = Judgement(Level.EXTERNAL, Outcome.UNKNOWN_REVOCATION)


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    return ForeignAuthority(now)


@pytest.fixture
def trusted(elsewhere: ForeignAuthority, now: datetime) -> ForeignAuthority:
    """Its root is in the store, and the lists of both its authorities."""
    trust(elsewhere.root, at=now)
    keep(elsewhere.crl(issuer=elsewhere.root), elsewhere.crl(), at=now)
    return elsewhere


@pytest.mark.parametrize(("oid", "level"), sorted(RESERVED_POLICIES.items()))
def test_it_gives_the_level_that_the_policy_names(trusted: ForeignAuthority, now: datetime, oid: str, level: Level) -> None:
    authority = ForeignAuthority(now, name="Every", allowed=[oid])
    trust(authority.root, at=now)
    keep(authority.crl(issuer=authority.root), authority.crl(), trusted.crl(), at=now)
    assert judge_foreign(authority.leaf(BOB, oid).der, authority.chain, at=now) == Judgement(level, Outcome.VERIFIED)


def test_it_gives_no_level_without_a_policy(trusted: ForeignAuthority, now: datetime) -> None:
    for oids in ((), ("1.3.6.1.4.1.32473.7",), ("2.23.140.1.2.1",), ("2.5.29.32.0",)):
        assert judge_foreign(trusted.leaf(BOB, *oids).der, trusted.chain, at=now) == Judgement(Level.EXTERNAL, Outcome.VERIFIED), oids


def test_it_gives_no_level_that_the_authority_may_not_certify(now: datetime) -> None:
    mailboxes = ForeignAuthority(now, allowed=[STRICT["V1"]])
    trust(mailboxes.root, at=now)
    keep(mailboxes.crl(issuer=mailboxes.root), mailboxes.crl(), at=now)
    assert judge_foreign(mailboxes.leaf(BOB, STRICT["V4"]).der, mailboxes.chain, at=now) == Judgement(Level.EXTERNAL, Outcome.VERIFIED)
    assert judge_foreign(mailboxes.leaf(BOB, STRICT["V1"]).der, mailboxes.chain, at=now).level is Level.V1


def test_it_gives_the_least_of_several_levels(trusted: ForeignAuthority, now: datetime) -> None:
    assert judge_foreign(trusted.leaf(BOB, STRICT["V4"], STRICT["V2"]).der, trusted.chain, at=now).level is Level.V2
    assert judge_foreign(trusted.leaf(BOB, *STRICT.values()).der, trusted.chain, at=now).level is Level.V1


def test_charlies_own_word_is_worth_nothing(trusted: ForeignAuthority, now: datetime) -> None:
    """A self-signed certificate that pretends to be organisation-validated, alone and with a real authority beside it."""
    forged = trusted.self_signed(CHARLIE, STRICT["V4"])
    assert judge_foreign(forged.der, [], at=now) == UNTRUSTED
    assert judge_foreign(forged.der, [*trusted.chain, trusted.root.der, forged.der], at=now) == UNTRUSTED


def test_charlies_authority_of_the_same_name_is_not_the_one(trusted: ForeignAuthority, now: datetime) -> None:
    twin = ForeignAuthority(now)
    leaf = twin.leaf(CHARLIE, STRICT["V4"])
    assert judge_foreign(leaf.der, [*twin.chain, twin.root.der], at=now) == UNTRUSTED
    assert judge_foreign(leaf.der, trusted.chain, at=now) == UNTRUSTED


def test_it_finds_the_issuer_in_the_store(trusted: ForeignAuthority, now: datetime) -> None:
    leaf = trusted.leaf(BOB, STRICT["V3"])
    assert judge_foreign(leaf.der, [], at=now) == UNTRUSTED
    trust(trusted.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    assert judge_foreign(leaf.der, [], at=now) == Judgement(Level.V3, Outcome.VERIFIED)


def test_an_intermediate_alone_is_no_root(elsewhere: ForeignAuthority, now: datetime) -> None:
    trust(elsewhere.issuer, at=now, kind=AuthorityKind.INTERMEDIATE)
    keep(elsewhere.crl(), at=now)
    assert judge_foreign(elsewhere.leaf(BOB, STRICT["V3"]).der, [], at=now) == UNTRUSTED


def test_what_is_unknown_is_not_good(elsewhere: ForeignAuthority, now: datetime) -> None:
    leaf = elsewhere.leaf(BOB, STRICT["V3"])
    trust(elsewhere.root, at=now)
    assert judge_foreign(leaf.der, elsewhere.chain, at=now) == UNKNOWN
    keep(elsewhere.crl(), at=now)
    assert judge_foreign(leaf.der, elsewhere.chain, at=now) == UNKNOWN, "nothing is known of its issuer"
    keep(elsewhere.crl(), elsewhere.crl(issuer=elsewhere.root), at=now)
    assert judge_foreign(leaf.der, elsewhere.chain, at=now).level is Level.V3
    assert judge_foreign(leaf.der, elsewhere.chain, at=now + timedelta(days=8)) == UNKNOWN, "the lists have run out"


@pytest.mark.parametrize(
    ("reason", "word"), [(None, "unspecified"), (x509.ReasonFlags.key_compromise, "key_compromise"), (x509.ReasonFlags.superseded, "superseded")]
)
def test_it_says_that_and_why_it_was_revoked(trusted: ForeignAuthority, now: datetime, reason: x509.ReasonFlags | None, word: str) -> None:
    leaf, other = trusted.leaf(BOB, STRICT["V3"]), trusted.leaf(CHARLIE, STRICT["V3"])
    keep(trusted.crl([leaf], reason=reason, number=2), trusted.crl(issuer=trusted.root), at=now)
    assert judge_foreign(leaf.der, trusted.chain, at=now) == Judgement(Level.EXTERNAL, Outcome.REVOKED, word)
    assert judge_foreign(other.der, trusted.chain, at=now).level is Level.V3


def test_a_revoked_issuer_is_not_the_certificates_own_end(trusted: ForeignAuthority, now: datetime) -> None:
    keep(trusted.crl([trusted.issuer], issuer=trusted.root, number=2), trusted.crl(), at=now)
    assert judge_foreign(trusted.leaf(BOB, STRICT["V3"]).der, trusted.chain, at=now) == Judgement(Level.EXTERNAL, ISSUER_REVOKED)


def test_a_removed_root_counts_no_more(trusted: ForeignAuthority, now: datetime) -> None:
    leaf = trusted.leaf(BOB, STRICT["V3"])
    fingerprint = trust(trusted.root, at=now)
    assert judge_foreign(leaf.der, trusted.chain, at=now).level is Level.V3
    remove_authority(fingerprint=fingerprint, source=AuthoritySource.ADDED, actor=OPERATOR, at=now)
    assert judge_foreign(leaf.der, trusted.chain, at=now) == UNTRUSTED
    assert current_trust(at=now).roots == ()


def test_an_expired_root_counts_no_more(trusted: ForeignAuthority, now: datetime) -> None:
    """Path validation itself asks for no date of a root."""
    assert trusted.root.der in current_trust(at=now).roots
    assert current_trust(at=now + timedelta(days=3651)).roots == ()


def test_a_root_that_is_distrusted_from_a_day_on_leads_only_to_what_is_older(trusted: ForeignAuthority, now: datetime) -> None:
    trust(trusted.root, at=now, distrust_after=now - timedelta(days=10))
    old, new = (trusted.leaf(BOB, STRICT["V3"], age=timedelta(days=days)) for days in (20, 1))
    assert judge_foreign(old.der, trusted.chain, at=now).level is Level.V3
    assert judge_foreign(new.der, trusted.chain, at=now) == UNTRUSTED


def test_it_survives_what_is_no_certificate(trusted: ForeignAuthority, now: datetime) -> None:
    leaf = trusted.leaf(BOB, STRICT["V3"]).der
    for der in (b"", b"\x30\x80", leaf[:-1], leaf + b"\x00", b"\x30\x84\xff\xff\xff\xff" + leaf):
        assert judge_foreign(der, trusted.chain, at=now).level is Level.EXTERNAL
    assert judge_foreign(leaf, [b"", leaf[:100], b"\x30" * 5000, *trusted.chain], at=now).level is Level.V3
    assert judge_foreign(leaf, [*[b"\x30"] * 5, *trusted.chain], at=now) == UNTRUSTED, "no more than five are looked at"


@pytest.mark.usefixtures("ca")
def test_it_knows_its_own_authority_and_its_lists(now: datetime) -> None:
    found = current_trust(at=now)
    root, issuer = (bytes(Authority.objects.get(pk=slug).certificate) for slug in ("root-1", "smime-1"))
    assert (list(found.roots), list(found.intermediates), len(found.crls)) == ([root], [issuer], 2)
