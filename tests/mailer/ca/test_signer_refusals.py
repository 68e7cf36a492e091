"""The signer reads everything itself and refuses what the ledger and the directory do not stand behind."""

import base64
import uuid
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db.models import F

from directory.models import Organization, SendingDomain
from directory.organizations import suspend
from directory.x509.names import EmailAddress
from mailer.ca import signing
from mailer.ca.ledger import Step, move
from mailer.ca.lint import Finding
from mailer.ca.profiles import AuthorityKey
from mailer.ca.server import Signer
from mailer.ca.throttle import Throttle
from mailer.issuing import intend
from mailer.models import Issuance, IssuanceStatus, SigningIdentity, SigningIdentityStatus
from tests.mailer.ca.rows import ask, ask_for, assign_row, public_bytes
from tests.pki import key_of

ADDRESS = "bills@bank.example.com"

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(ca: None, bank: Organization, now: datetime) -> Issuance:  # noqa: ARG001 - the CA that the row names
    return assign_row(bank, ADDRESS, at=now)


def assert_refused(signer: Signer, row: Issuance, code: str, word: str) -> None:
    reply = ask_for(signer, row)
    assert (reply["ok"], reply["error"]) == (False, code), reply
    assert word in str(reply["detail"])
    row.refresh_from_db()
    assert (row.status, row.certificate) == (IssuanceStatus.REFUSED, None)
    assert word in row.reason
    assert SigningIdentity.objects.get(issuances=row).status == SigningIdentityStatus.RETIRED
    assert row.events.filter(event="refuse", actor="system:signer").count() == 1
    # It stays refused.
    assert ask_for(signer, row)["error"] == "refused"


def test_it_gives_the_same_certificate_however_often_it_is_asked(signer: Signer, row: Issuance) -> None:
    first, second = ask_for(signer, row), ask_for(signer, row)
    assert first == second
    assert x509.load_der_x509_certificate(base64.b64decode(str(first["certificate"]))).serial_number == int(row.serial or "", 16)
    assert row.events.filter(event="issue").count() == 1


def test_it_signs_the_same_bytes_again_when_it_was_killed_before_it_stored(signer: Signer, row: Issuance) -> None:
    first = ask_for(signer, row)
    Issuance.objects.filter(pk=row.pk).update(status=IssuanceStatus.SIGNING, certificate=None)
    assert ask_for(signer, row) == first


def test_it_signs_nothing_that_is_not_in_the_ledger(signer: Signer) -> None:
    assert ask(signer, verb="issue", issuance=str(uuid.uuid4()))["error"] == "not_intended"


def test_it_signs_nothing_that_is_only_intended(signer: Signer, bank: Organization, now: datetime) -> None:
    row = intend(organization=bank, address=EmailAddress.parse(ADDRESS), actor="user:alice", at=now)
    assert ask_for(signer, row)["error"] == "not_intended"
    row.refresh_from_db()
    assert row.status == IssuanceStatus.INTENDED


def test_it_gives_out_nothing_that_is_revoked(signer: Signer, row: Issuance, now: datetime) -> None:
    ask_for(signer, row)
    move(row.id, Step.REVOKE, actor="user:alice", at=now, facts={"revoked_at": now})
    assert ask_for(signer, row)["error"] == "not_intended"


def test_it_refuses_a_suspended_organisation(signer: Signer, row: Issuance, bank: Organization, now: datetime) -> None:
    suspend(organization=bank, reason="report", actor="user:reviewer", at=now)
    assert_refused(signer, row, "refused", "suspended")


def test_it_refuses_when_the_validation_has_ended(signer: Signer, row: Issuance, bank: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=bank.pk).update(valid_until=now - timedelta(seconds=1))
    assert_refused(signer, row, "refused", "validation has ended")


def test_it_refuses_when_the_proof_of_the_domain_has_ended(signer: Signer, row: Issuance, bank: Organization, now: datetime) -> None:
    SendingDomain.objects.filter(organization=bank).update(valid_until=now - timedelta(seconds=1))
    assert_refused(signer, row, "refused", "domain")


def test_it_refuses_charlie_alices_domain(signer: Signer, bank: Organization, shop: Organization, now: datetime) -> None:
    assert bank.domains.get().domain == "bank.example.com"
    assert_refused(signer, assign_row(shop, ADDRESS, at=now), "refused", "domain")


def test_it_refuses_a_domain_above_the_proven_one(signer: Signer, bank: Organization, now: datetime) -> None:
    assert_refused(signer, assign_row(bank, "bills@example.com", at=now), "refused", "domain")


def test_it_certifies_below_the_proven_domain(signer: Signer, bank: Organization, now: datetime) -> None:
    assert ask_for(signer, assign_row(bank, "bills@mail.bank.example.com", at=now))["ok"]


def test_it_refuses_more_time_than_the_validation_gives(signer: Signer, row: Issuance, bank: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=bank.pk).update(valid_until=now + timedelta(days=30))
    assert_refused(signer, row, "refused", "more time")


def test_it_refuses_more_time_than_the_profile_gives(signer: Signer, bank: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=bank.pk).update(valid_until=now + timedelta(days=9000))
    row = assign_row(bank, ADDRESS, at=now, not_after=now.replace(microsecond=0) + timedelta(days=825))
    assert_refused(signer, row, "refused", "more time")


@pytest.mark.parametrize("address", ["büro@bank.example.com", "bills@bänk.example.com", "no address", "a@b@bank.example.com"])
def test_it_refuses_addresses_that_no_certificate_can_hold(signer: Signer, row: Issuance, address: str) -> None:
    Issuance.objects.filter(pk=row.pk).update(address=address)
    assert_refused(signer, row, "refused", "cannot be certified")


@pytest.mark.parametrize("days", [-2, 1])
def test_it_signs_nothing_dated_back_or_ahead(signer: Signer, row: Issuance, days: int) -> None:
    Issuance.objects.filter(pk=row.pk).update(not_before=F("not_before") + timedelta(days=days))
    assert ask_for(signer, row)["error"] == "not_intended"


@pytest.mark.parametrize("missing", ["authority", "serial", "spki", "not_before", "not_after", "organization"])
def test_it_refuses_an_incomplete_row(signer: Signer, row: Issuance, missing: str) -> None:
    Issuance.objects.filter(pk=row.pk).update(**{missing: None})
    assert_refused(signer, row, "refused", "not complete")


def test_it_refuses_an_unknown_profile(signer: Signer, row: Issuance) -> None:
    Issuance.objects.filter(pk=row.pk).update(profile="anything")
    assert_refused(signer, row, "refused", "not complete")


def test_it_refuses_to_sign_with_the_root(signer: Signer, row: Issuance) -> None:
    Issuance.objects.filter(pk=row.pk).update(authority="root-1")
    assert_refused(signer, row, "refused", "root")


@pytest.mark.parametrize("kind", ["rsa1024", "p521"])
def test_it_refuses_unfit_keys(signer: Signer, bank: Organization, now: datetime, kind: str) -> None:
    assert_refused(signer, assign_row(bank, ADDRESS, at=now, spki=public_bytes(key_of(kind).public_key())), "key_refused", "key")


def test_it_refuses_a_weak_key(signer: Signer, bank: Organization, now: datetime) -> None:
    """Two primes close to each other: Fermat's method finds them."""
    modulus = ((3 << 1022) + 1037) * ((3 << 1022) + 1697)
    spki = public_bytes(rsa.RSAPublicNumbers(65537, modulus).public_key())
    assert_refused(signer, assign_row(bank, ADDRESS, at=now, spki=spki), "key_refused", "weak")


def test_it_refuses_bytes_that_are_no_key(signer: Signer, row: Issuance) -> None:
    Issuance.objects.filter(pk=row.pk).update(spki=b"\x30\x03\x02\x01\x00")
    assert_refused(signer, row, "key_refused", "cannot be read")


def test_it_refuses_charlie_alices_key(signer: Signer, row: Issuance, shop: Organization, now: datetime) -> None:
    ask_for(signer, row)
    stolen = bytes(row.spki or b"")
    assert_refused(signer, assign_row(shop, "post@shop.example.net", at=now, spki=stolen), "key_refused", "another identity")


def test_it_refuses_a_key_that_was_compromised_even_to_its_owner(signer: Signer, row: Issuance, now: datetime) -> None:
    ask_for(signer, row)
    move(row.id, Step.REVOKE, actor="user:alice", at=now, facts={"revoked_at": now, "revocation_reason": "key_compromise"})
    again = Issuance.objects.create(
        organization=row.organization,
        identity=row.identity,
        authority_id="smime-1",
        profile=row.profile,
        address=row.address,
        status=IssuanceStatus.SIGNING,
        serial="1" * 33,
        spki=row.spki,
        spki_digest=row.spki_digest,
        actor="user:alice",
        created_at=now,
        not_before=row.not_before,
        not_after=row.not_after,
    )
    assert_refused(signer, again, "key_refused", "compromised")


def test_it_stops_at_a_finding_of_the_linter(signer: Signer, row: Issuance, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("WARNING", "cabf.smime.made_up", "")]
    monkeypatch.setattr("mailer.ca.certifying.subscriber_findings", lambda *_args, **_options: found)
    assert_refused(signer, row, "lint", "cabf.smime.made_up")


def test_it_stops_when_the_linter_itself_finds_something(signer: Signer, bank: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=bank.pk).update(organization_identifier="GOVDE-123")
    row = assign_row(bank, ADDRESS, at=now)
    assert_refused(signer, row, "lint", "cabf.")


def test_it_stops_when_the_signed_bytes_are_not_the_linted_ones(signer: Signer, row: Issuance, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, calls = signing._sign, []

    def swap(builder: x509.CertificateBuilder, key: AuthorityKey) -> x509.Certificate:
        calls.append(key)
        return honest(builder if len(calls) == 1 else builder.add_extension(x509.OCSPNoCheck(), critical=False), key)

    monkeypatch.setattr(signing, "_sign", swap)
    assert ask_for(signer, row)["error"] == "tampered"
    row.refresh_from_db()
    assert (row.status, row.certificate) == (IssuanceStatus.SIGNING, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[]\n",
        b"null\n",
        b'"issue"\n',
        b'{"verb": "issue"}\n',
        b'{"verb": "issue", "issuance": "../../etc/passwd"}\n',
        b'{"verb": "issue", "issuance": null}\n',
        b'{"verb": "issue", "issuance": "00000000-0000-0000-0000-000000000000", "subject": "CN=root"}\n',
        b'{"verb": "sign", "bytes": "MAA="}\n',
        b'{"verb": "revocation-list", "authority": "smime-1", "shard": -1}\n',
        b'{"verb": "revocation-list", "authority": "smime-1", "shard": true}\n',
        b'{"verb": "revocation-list", "authority": "smime-1", "shard": 1e300}\n',
        b'{"verb": "revocation-list", "authority": "smime-1", "shard": 99999999999999999999999}\n',
        b'{"verb": "revocation-list", "authority": "nobody", "shard": 0}\n',
        b"[" * 500 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_it_answers_nonsense_with_an_error(signer: Signer, line: bytes) -> None:
    assert b'"ok": false' in signer.answer(line)
    assert not Issuance.objects.exists()


def test_it_keeps_to_its_budget(row: Issuance, signer: Signer) -> None:
    slow = Signer(signer._kek, Throttle(per_minute=1, burst=2))
    assert ask_for(slow, row)["ok"]
    assert ask_for(slow, row)["ok"]
    assert ask_for(slow, row)["error"] == "busy"
    assert ask(slow, verb="ping")["ok"]


def test_it_opens_no_ca_key_with_a_foreign_kek(row: Issuance, caplog: pytest.LogCaptureFixture) -> None:
    foreign = Signer(bytes(32), Throttle(per_minute=60, burst=10))
    reply = ask_for(foreign, row)
    assert (reply["error"], reply["detail"]) == ("unavailable", "WrongKeyError")
    assert "WrongKeyError" in caplog.text
    row.refresh_from_db()
    assert row.status == IssuanceStatus.SIGNING
