"""CRLs out of the ledger: who is in which, when the next is due, and that a full one is fast."""

import base64
import time
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from directory.models import Organization
from mailer.ca.ledger import Step, move
from mailer.ca.profiles import REVOCATION_LIST_LIFE, new_serial
from mailer.ca.server import Signer
from mailer.ca.shards import SHARD_SIZE, Reason, Shard, due, newest, shard_of
from mailer.models import Authority, CertificateRevocationList, Issuance, IssuanceStatus
from tests.mailer.ca.rows import ask, ask_for, assign_row

pytestmark = pytest.mark.django_db

SHARD = Shard("smime-1", 0)


def renew(signer: Signer, shard: Shard = SHARD) -> x509.CertificateRevocationList:
    reply = ask(signer, verb="revocation-list", authority=shard.authority, shard=shard.number)
    assert reply["ok"], reply
    return x509.load_der_x509_crl(base64.b64decode(str(reply["list"])))


def revoke_row(row: Issuance, *, at: datetime, reason: str = Reason.SUPERSEDED) -> None:
    move(row.id, Step.REVOKE, actor="user:alice", at=at, facts={"revoked_at": at, "revocation_reason": reason})


@pytest.fixture
def row(signer: Signer, bank: Organization, now: datetime) -> Issuance:
    found = assign_row(bank, "bills@bank.example.com", at=now)
    assert ask_for(signer, found)["ok"]
    return found


@pytest.mark.parametrize("reason", Reason)
def test_it_names_who_is_revoked_and_why(signer: Signer, row: Issuance, shop: Organization, now: datetime, reason: Reason) -> None:
    other = assign_row(shop, "post@shop.example.net", at=now)
    assert ask_for(signer, other)["ok"]
    revoke_row(row, at=now, reason=reason)
    found = renew(signer)
    assert [entry.serial_number for entry in found] == [int(row.serial or "", 16)]
    entry = found[0]
    assert entry.revocation_date_utc == now.replace(microsecond=0)
    flags = [extension.value.reason for extension in entry.extensions if isinstance(extension.value, x509.CRLReason)]
    assert flags == ([] if reason is Reason.UNSPECIFIED else [x509.ReasonFlags[reason]])


def test_it_counts_up_and_lives_a_week(signer: Signer) -> None:
    numbers = [renew(signer).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for _ in range(3)]
    assert numbers == [2, 3, 4]
    found = newest(SHARD)
    assert found is not None
    assert found.next_update - found.this_update == REVOCATION_LIST_LIFE - timedelta(seconds=1)


def test_it_keeps_what_is_revoked_in_its_own_shard(signer: Signer, row: Issuance, now: datetime) -> None:
    Authority.objects.filter(pk="smime-1").update(assigned=SHARD_SIZE + 1)
    Issuance.objects.filter(pk=row.pk).update(shard=1)
    revoke_row(row, at=now)
    assert len(renew(signer)) == 0
    second = renew(signer, Shard("smime-1", 1))
    assert len(second) == 1
    point = second.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    assert [name.value for name in point.full_name or []] == ["http://pki.example.org/pki/smime-1/1.crl"]


def test_it_signs_no_list_of_a_shard_that_is_not_in_use(signer: Signer) -> None:
    assert ask(signer, verb="revocation-list", authority="smime-1", shard=1)["error"] == "not_intended"
    assert ask(signer, verb="revocation-list", authority="root-1", shard=1)["error"] == "not_intended"
    assert ask(signer, verb="revocation-list", authority="other", shard=0)["error"] == "no_authority"


@pytest.mark.parametrize(("position", "shard"), [(0, 0), (SHARD_SIZE - 1, 0), (SHARD_SIZE, 1), (3 * SHARD_SIZE, 3)])
def test_it_fills_one_shard_after_the_other(position: int, shard: int) -> None:
    assert shard_of(position) == shard


def test_it_drops_an_entry_some_time_after_its_certificate_ended(signer: Signer, row: Issuance, now: datetime) -> None:
    revoke_row(row, at=now)
    Issuance.objects.filter(pk=row.pk).update(not_after=now - timedelta(days=9))
    assert len(renew(signer)) == 1
    Issuance.objects.filter(pk=row.pk).update(not_after=now - timedelta(days=11))
    assert len(renew(signer)) == 0


def test_it_is_due_by_age_by_revocation_and_at_first(signer: Signer, row: Issuance, now: datetime) -> None:
    renew(signer)
    later = now + timedelta(seconds=5)
    assert list(due(at=later)) == []
    assert list(due(at=now + timedelta(days=1, seconds=5))) == [SHARD]
    assert list(due(at=now + timedelta(days=181))) == [Shard("root-1", 0), SHARD]
    revoke_row(row, at=later)
    assert list(due(at=later)) == [SHARD]
    CertificateRevocationList.objects.filter(authority="root-1").delete()
    Authority.objects.filter(pk="smime-1").update(assigned=SHARD_SIZE + 1)
    assert list(due(at=later)) == [Shard("root-1", 0), SHARD, Shard("smime-1", 1)]


def test_it_waits_for_no_root_that_is_kept_elsewhere(ca: None, now: datetime) -> None:
    del ca
    Authority.objects.filter(pk="root-1").update(encrypted_key=b"")
    assert Shard("root-1", 0) not in list(due(at=now + timedelta(days=400)))


def test_it_lists_a_full_shard_fast(signer: Signer, bank: Organization, now: datetime) -> None:
    Issuance.objects.bulk_create(
        Issuance(
            organization=bank,
            authority_id="smime-1",
            profile="v4-signing",
            address="bills@bank.example.com",
            status=IssuanceStatus.REVOKED,
            serial=f"{new_serial():x}",
            actor="user:alice",
            created_at=now,
            not_after=now + timedelta(days=800),
            revoked_at=now,
            revocation_reason=Reason.KEY_COMPROMISE,
        )
        for _ in range(SHARD_SIZE)
    )
    begin = time.process_time()
    found = renew(signer)
    spent = time.process_time() - begin
    assert len(found) == SHARD_SIZE
    # About 0.1 s; a linter that reads every entry would take seconds.
    assert spent < 1.5
