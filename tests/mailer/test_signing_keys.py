"""A worker opens an organisation's key while its certificate may sign, and not longer."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from pytest_django import Settings

from directory.models import Organization
from directory.organizations import suspend
from directory.x509.names import EmailAddress
from mailer import signing_keys
from mailer.ca.shards import Reason
from mailer.custody import DamagedSecretError, MissingKeyError, WrongKeyError
from mailer.identities import NoIdentityError, find_identity
from mailer.issuing import intend, issue_pending
from mailer.models import Issuance, SigningIdentity
from mailer.revoking import revoke
from mailer.signing_keys import forget_signers, load_signer
from mailer.smime.der import read

BILLS = EmailAddress.parse("bills@bank.example.com")


@pytest.fixture
def bills(signing_service: Path, bank: Organization, now: datetime) -> SigningIdentity:  # noqa: ARG001 - the signer
    intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    return SigningIdentity.objects.get()


def test_it_signs(bills: SigningIdentity, now: datetime) -> None:
    signature = load_signer(bills.id, at=now).signature(b"Content-Type: text/plain\r\n\r\nx\r\n", at=now)
    assert read(signature).end == len(signature)
    assert len(bills.chain) == 1
    assert x509.load_der_x509_certificate(bytes(bills.chain[0])).subject != x509.load_der_x509_certificate(bytes(bills.chain[0])).issuer


def test_it_keeps_a_key_open_for_seconds_alone(bills: SigningIdentity, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(signing_keys, "monotonic", lambda: clock[0])
    first = load_signer(bills.id, at=now)
    assert load_signer(bills.id, at=now) is first
    revoke(issuance_id=Issuance.objects.get().id, reason=Reason.KEY_COMPROMISE, actor="user:alice", at=now)
    clock[0] += signing_keys.SECONDS_KEPT + 0.1
    with pytest.raises(NoIdentityError):
        load_signer(bills.id, at=now)


@pytest.mark.parametrize("days", [-1, 825])
def test_it_does_not_sign_outside_the_certificates_time(bills: SigningIdentity, now: datetime, days: int) -> None:
    load_signer(bills.id, at=now)
    with pytest.raises(NoIdentityError):
        load_signer(bills.id, at=now + timedelta(days=days))


def test_it_signs_for_nobody_without_a_certificate(bank: Organization, now: datetime) -> None:
    waiting = intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert waiting.identity_id is not None
    with pytest.raises(NoIdentityError):
        load_signer(waiting.identity_id, at=now)
    with pytest.raises(NoIdentityError):
        load_signer(waiting.id, at=now)


def test_it_opens_no_key_with_a_foreign_kek_or_out_of_another_row(bills: SigningIdentity, now: datetime, settings: Settings) -> None:
    own = settings.LETTERLOCK_SIGNING_KEK
    settings.LETTERLOCK_SIGNING_KEK = settings.LETTERLOCK_DATA_KEK
    forget_signers()
    with pytest.raises(WrongKeyError):
        load_signer(bills.id, at=now)
    settings.LETTERLOCK_SIGNING_KEK = None
    with pytest.raises(MissingKeyError):
        load_signer(bills.id, at=now)
    settings.LETTERLOCK_SIGNING_KEK = own
    SigningIdentity.objects.filter(pk=bills.pk).update(encrypted_key=b"\x01" + bytes(bills.encrypted_key or b"")[1:-1] + b"\x00")
    with pytest.raises(DamagedSecretError):
        load_signer(bills.id, at=now)


def test_it_finds_the_identity_of_the_organisation_alone(bills: SigningIdentity, bank: Organization, shop: Organization, now: datetime) -> None:
    assert find_identity(organization=bank, address=EmailAddress.parse("BILLS@bank.example.com"), at=now) == bills
    with pytest.raises(NoIdentityError):
        find_identity(organization=shop, address=BILLS, at=now)
    with pytest.raises(NoIdentityError):
        find_identity(organization=bank, address=EmailAddress.parse("ceo@bank.example.com"), at=now)
    with pytest.raises(NoIdentityError):
        find_identity(organization=bank, address=BILLS, at=now + timedelta(days=825))
    suspend(organization=bank, reason="report", actor="user:reviewer", at=now)
    with pytest.raises(NoIdentityError):
        find_identity(organization=bank, address=BILLS, at=now)
