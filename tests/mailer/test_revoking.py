"""Revoking: ledger, directory and identity together, once, and in the next CRL."""

from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from django.db import DatabaseError, transaction
from pytest_django import Settings

from directory.models import Certificate, CertificateStatus, Organization
from directory.x509.names import EmailAddress
from mailer import identities
from mailer.ca.errors import StaleLedgerError
from mailer.ca.shards import Reason, Shard, newest
from mailer.identities import WrongIdentityStateError
from mailer.issuing import intend, issue_pending
from mailer.models import Issuance, IssuanceStatus, SigningIdentity, SigningIdentityStatus
from mailer.revoking import renew_crls, revoke

BILLS = EmailAddress.parse("bills@bank.example.com")


@pytest.fixture
def issued(signing_service: Path, bank: Organization, shop: Organization, now: datetime) -> Issuance:  # noqa: ARG001 - the signer
    intend(organization=shop, address=EmailAddress.parse("post@shop.example.net"), actor="user:charlie", at=now)
    issuance = intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 2
    issuance.refresh_from_db()
    return issuance


def test_it_revokes_everywhere(issued: Issuance, bank: Organization, shop: Organization, now: datetime) -> None:
    revoke(issuance_id=issued.id, reason=Reason.CESSATION_OF_OPERATION, actor="user:alice", at=now)
    issued.refresh_from_db()
    assert (issued.status, issued.revoked_at, issued.revocation_reason) == (IssuanceStatus.REVOKED, now, "cessation_of_operation")
    published = Certificate.objects.get(organization=bank)
    assert (published.status, published.revocation_reason) == (CertificateStatus.REVOKED, "cessation_of_operation")
    identity = SigningIdentity.objects.get(organization=bank)
    assert (identity.status, identity.encrypted_key) == (SigningIdentityStatus.RETIRED, None)
    # Charlie's is as it was.
    assert Certificate.objects.get(organization=shop).status == CertificateStatus.PUBLISHED
    assert SigningIdentity.objects.get(organization=shop).status == SigningIdentityStatus.ACTIVE


def test_it_is_in_the_next_list(issued: Issuance, now: datetime) -> None:
    revoke(issuance_id=issued.id, reason=Reason.SUPERSEDED, actor="user:alice", at=now)
    assert renew_crls(at=now) == 1
    current = newest(Shard("smime-1", 0))
    assert current is not None
    assert [entry.serial_number for entry in x509.load_der_x509_crl(bytes(current.der))] == [int(issued.serial or "", 16)]


def test_it_revokes_once(issued: Issuance, now: datetime) -> None:
    revoke(issuance_id=issued.id, reason=Reason.SUPERSEDED, actor="user:alice", at=now)
    with pytest.raises(StaleLedgerError):
        revoke(issuance_id=issued.id, reason=Reason.KEY_COMPROMISE, actor="user:alice", at=now)
    assert Issuance.objects.get(pk=issued.pk).revocation_reason == "superseded"


def test_it_changes_nothing_when_a_part_fails(issued: Issuance, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise DatabaseError("down")

    monkeypatch.setattr(identities, "move", fail)
    with pytest.raises(DatabaseError):
        revoke(issuance_id=issued.id, reason=Reason.SUPERSEDED, actor="user:alice", at=now)
    issued.refresh_from_db()
    assert issued.status == IssuanceStatus.ISSUED
    assert Certificate.objects.filter(status=CertificateStatus.PUBLISHED).count() == 2


def test_it_asks_for_a_new_list_when_it_is_committed(issued: Issuance, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mailer.waking.current_app.send_task", lambda name, **_options: asked.append(name))
    with transaction.atomic():
        revoke(issuance_id=issued.id, reason=Reason.SUPERSEDED, actor="user:alice", at=now)
        assert asked == []
    assert asked == ["mailer.tasks.renew_crls"]


def test_it_frees_the_address_for_a_new_certificate(issued: Issuance, bank: Organization, now: datetime) -> None:
    revoke(issuance_id=issued.id, reason=Reason.KEY_COMPROMISE, actor="user:alice", at=now)
    again = intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    again.refresh_from_db()
    assert again.spki_digest != issued.spki_digest
    assert SigningIdentity.objects.filter(organization=bank, status=SigningIdentityStatus.ACTIVE).count() == 1


@pytest.mark.django_db
def test_it_waits_for_the_signer(ca: None, now: datetime, settings: Settings, tmp_path: Path) -> None:
    del ca
    settings.LETTERLOCK_SIGNER_SOCKET = tmp_path / "nobody.sock"
    assert renew_crls(at=now.replace(year=now.year + 1)) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("status", SigningIdentityStatus.values)
@pytest.mark.parametrize("target", SigningIdentityStatus.values)
def test_it_moves_identities_along_their_table_alone(bank: Organization, now: datetime, status: str, target: str) -> None:
    row = SigningIdentity.objects.create(organization=bank, address=BILLS.address, match=BILLS.match, status=status, created_at=now)
    possible = SigningIdentityStatus(target) in identities.TRANSITIONS[SigningIdentityStatus(status)]
    if possible:
        identities.move(row.id, SigningIdentityStatus(target), actor="user:alice", at=now)
    else:
        with pytest.raises(WrongIdentityStateError):
            identities.move(row.id, SigningIdentityStatus(target), actor="user:alice", at=now)
    row.refresh_from_db()
    assert row.status == (target if possible else status)
