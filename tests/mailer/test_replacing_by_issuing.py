"""What the CA issues for an address that has somebody else's live certificate waits too, and its identity with it."""

from datetime import datetime, timedelta

import pytest

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.ca.shards import Reason
from mailer.issuing import intend, issue_pending
from mailer.models import Issuance, IssuanceStatus, Replacement, ReplacementStatus, SigningIdentity, SigningIdentityStatus
from mailer.replacing import WAIT, publish_due, stop_waiting
from mailer.revoking import revoke
from tests.mailer.letters import ALICE, publish_for
from tests.mailer.replacements import leaf, published, statuses
from tests.pki import Authority, Holder, Usage

BILLS = EmailAddress.parse("bills@bank.example.com")
pytestmark = pytest.mark.usefixtures("signing_service")


@pytest.fixture
def clerks(authority: Authority, db: None, now: datetime) -> Holder:  # noqa: ARG001 - the tables
    """A clerk's own certificate, published before the bank had any."""
    holder = leaf(authority, "clerk", address=BILLS.address)
    publish_for(holder, BILLS.address, at=now)
    return holder


@pytest.fixture
def waiting(bank: Organization, clerks: Holder, now: datetime) -> Issuance:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 0
    assert statuses(clerks) == ["published"]
    issuance.refresh_from_db()
    return issuance


def test_it_waits_and_then_signs(waiting: Issuance, clerks: Holder, now: datetime) -> None:
    assert (waiting.status, waiting.published_at) == (IssuanceStatus.ISSUED, None)
    assert SigningIdentity.objects.get().status == SigningIdentityStatus.PENDING
    assert publish_due(now + WAIT) == 1
    identity = SigningIdentity.objects.get()
    assert identity.status == SigningIdentityStatus.ACTIVE
    assert identity.certificate is not None
    assert published(BILLS.match) == {identity.certificate.fingerprint, *published(BILLS.match)}
    assert statuses(clerks) == ["published"], "it encrypts, which the new one does not"
    waiting.refresh_from_db()
    assert waiting.published_at == now + WAIT


def test_its_worker_comes_again_and_changes_nothing(waiting: Issuance, now: datetime) -> None:
    assert issue_pending(at=now + timedelta(minutes=10)) == 0
    Issuance.objects.update(lease_until=None)
    assert issue_pending(at=now + timedelta(minutes=10)) == 0
    assert Replacement.objects.count() == 1
    waiting.refresh_from_db()
    assert waiting.lease_until is not None
    assert waiting.lease_until > now + WAIT


def test_it_is_revoked_where_the_clerk_says_no(waiting: Issuance, bank: Organization, clerks: Holder, now: datetime) -> None:
    stop_waiting(Replacement.objects.get().id, actor="owner", at=now)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.revocation_reason) == (IssuanceStatus.REVOKED, Reason.PRIVILEGE_WITHDRAWN)
    identity = SigningIdentity.objects.get()
    assert (identity.status, identity.encrypted_key) == (SigningIdentityStatus.RETIRED, None)
    assert publish_due(now + WAIT) == 0
    assert issue_pending(at=now + WAIT + timedelta(days=1)) == 0
    assert statuses(clerks) == ["published"]
    intend(organization=bank, address=BILLS, actor=ALICE, at=now)  # the address is free again


def test_it_is_not_published_once_it_was_revoked(waiting: Issuance, clerks: Holder, now: datetime) -> None:
    revoke(issuance_id=waiting.id, reason=Reason.KEY_COMPROMISE, actor=ALICE, at=now)
    assert publish_due(now + WAIT) == 1
    row = Replacement.objects.get()
    assert (row.status, row.reason) == (ReplacementStatus.REFUSED, "withdrawn")
    assert SigningIdentity.objects.get().status == SigningIdentityStatus.RETIRED
    assert statuses(clerks) == ["published"]


def test_it_does_not_wait_beside_a_certificate_that_does_not_sign(bank: Organization, authority: Authority, now: datetime) -> None:
    publish_for(leaf(authority, "clerk", usage=Usage.ENCRYPT, address=BILLS.address), BILLS.address, at=now)
    intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 1
    assert SigningIdentity.objects.get().status == SigningIdentityStatus.ACTIVE
