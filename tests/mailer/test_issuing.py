"""From an approval's intent to a certificate in the directory, whatever is killed or asked twice on the way."""

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.db import connection
from pytest_django import Settings

from directory.models import Certificate, CertificateStatus, DirectoryEvent, Organization
from directory.organizations import reinstate, suspend
from directory.x509.names import EmailAddress
from mailer.ca import certifying
from mailer.ca.client import SignerClient
from mailer.ca.errors import NameRefusedError
from mailer.ca.profiles import subscriber_builder
from mailer.custody import MissingKeyError
from mailer.forgetting import is_erased
from mailer.issuing import AlreadyIntendedError, NotRefusedError, intend, intend_anew, issue_pending
from mailer.mailbox_erasing import erase_address
from mailer.models import Issuance, IssuanceStatus, LedgerEvent, SigningIdentity, SigningIdentityStatus

BILLS = EmailAddress.parse("bills@bank.example.com")
ALICE = "user:alice"


def events_of(issuance: Issuance) -> list[str]:
    return list(LedgerEvent.objects.filter(issuance=issuance).order_by("id").values_list("event", flat=True))


def test_it_intends_without_signing(bank: Organization, now: datetime) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert (issuance.status, issuance.certificate, issuance.serial) == (IssuanceStatus.INTENDED, None, None)
    identity = SigningIdentity.objects.get()
    assert (identity.status, identity.encrypted_key, identity.address) == (SigningIdentityStatus.PENDING, None, "bills@bank.example.com")
    assert events_of(issuance) == ["intend"]


def test_it_intends_once_for_an_address(bank: Organization, now: datetime) -> None:
    intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    with pytest.raises(AlreadyIntendedError):
        intend(organization=bank, address=EmailAddress.parse("Bills@bank.example.com"), actor=ALICE, at=now)
    assert Issuance.objects.count() == 1


def test_it_refuses_a_name_that_no_certificate_can_hold_before_anything_is_stored(bank: Organization, now: datetime) -> None:
    Organization.objects.filter(pk=bank.pk).update(legal_name="Bank\x07")
    bank.refresh_from_db()
    with pytest.raises(NameRefusedError):
        intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert not SigningIdentity.objects.exists()


def test_it_refuses_an_address_that_no_certificate_can_hold(bank: Organization, now: datetime) -> None:
    with pytest.raises(NameRefusedError):
        intend(organization=bank, address=EmailAddress.parse("büro@bank.example.com"), actor=ALICE, at=now)
    assert not SigningIdentity.objects.exists()


@pytest.mark.usefixtures("signing_service")
def test_it_goes_on_after_a_row_that_ends_the_connection(
    bank: Organization, shop: Organization, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    good = intend(organization=shop, address=EmailAddress.parse("post@shop.example.net"), actor="user:charlie", at=now + timedelta(seconds=1))

    honest = subscriber_builder

    def break_down(*args: Any, **options: Any) -> x509.CertificateBuilder:
        if options["address"] == poison.address:
            raise ArithmeticError
        return honest(*args, **options)

    monkeypatch.setattr(certifying, "subscriber_builder", break_down)
    assert issue_pending(at=now) == 1
    good.refresh_from_db()
    assert good.status == IssuanceStatus.ISSUED


@pytest.mark.usefixtures("signing_service")
def test_it_issues_publishes_and_activates(bank: Organization, shop: Organization, now: datetime) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 1
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.ISSUED
    assert events_of(issuance) == ["intend", "assign", "issue", "publish"]
    published = Certificate.objects.get()
    assert issuance.certificate is not None
    assert bytes(published.der) == bytes(issuance.certificate)
    assert (published.level, published.source, published.organization) == ("V4", "issued", bank)
    assert (published.organization_name, published.can_sign, published.can_encrypt) == ("Muster Bank AG", True, False)
    assert published.mailbox.match == "bills@bank.example.com"
    identity = SigningIdentity.objects.get()
    assert (identity.status, identity.certificate) == (SigningIdentityStatus.ACTIVE, published)
    assert published.not_after == now.replace(microsecond=0) + timedelta(days=824) - timedelta(seconds=1)
    # Charlie's organisation got nothing by it, and nothing is left to do.
    assert not shop.certificates.exists()
    assert issue_pending(at=now) == 0


@pytest.mark.usefixtures("signing_service")
def test_an_erased_address_is_in_again_once_something_is_issued_for_it(bank: Organization, now: datetime) -> None:
    charlies = "charlie@shop.example.net"
    for match in (BILLS.match, charlies):
        erase_address(match, actor=ALICE, at=now)
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert is_erased(BILLS.match), "nothing of it is published yet"
    assert issue_pending(at=now) == 1
    assert (is_erased(BILLS.match), is_erased(charlies)) == (False, True)
    event = DirectoryEvent.objects.get(verb="mailbox.let_in")
    assert (event.subject, event.organization) == (f"issuance:{issuance.id}", bank)


@pytest.mark.usefixtures("signing_service")
def test_it_never_lasts_longer_than_the_validation(bank: Organization, now: datetime) -> None:
    end = now + timedelta(days=100)
    Organization.objects.filter(pk=bank.pk).update(valid_until=end)
    bank.refresh_from_db()
    intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 1
    assert Certificate.objects.get().not_after == end.replace(microsecond=0)


@pytest.mark.usefixtures("signing_service")
def test_it_closes_what_an_ended_validation_stands_behind(bank: Organization, now: datetime) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    Organization.objects.filter(pk=bank.pk).update(valid_until=now)
    assert issue_pending(at=now) == 0
    issuance.refresh_from_db()
    assert (issuance.status, issuance.serial) == (IssuanceStatus.REFUSED, None)
    assert "validation" in issuance.reason
    assert SigningIdentity.objects.get().status == SigningIdentityStatus.RETIRED
    # The address is free again.
    intend(organization=bank, address=BILLS, actor=ALICE, at=now)


@pytest.mark.usefixtures("signing_service")
def test_it_stops_for_a_suspended_organisation(bank: Organization, now: datetime) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    suspend(organization=bank, reason="report", actor="user:reviewer", at=now)
    assert issue_pending(at=now) == 0
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.REFUSED
    assert not Certificate.objects.exists()


@pytest.mark.usefixtures("signing_service")
def test_it_gives_charlie_no_certificate_for_alices_domain(bank: Organization, shop: Organization, now: datetime) -> None:
    issuance = intend(organization=shop, address=BILLS, actor="user:charlie", at=now)
    assert issue_pending(at=now) == 0
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.REFUSED
    assert "domain" in issuance.reason
    assert not Certificate.objects.filter(mailbox__match=BILLS.match).exists()
    assert not bank.certificates.exists()


def test_it_waits_for_the_signer_and_goes_on_when_it_is_back(bank: Organization, ca: None, now: datetime, settings: Settings, tmp_path: Path) -> None:  # noqa: ARG001
    settings.LETTERLOCK_SIGNER_SOCKET = tmp_path / "nobody.sock"
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 0
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.SIGNING
    assert issuance.lease_until == now + timedelta(seconds=5)


@pytest.mark.django_db
def test_it_waits_for_the_ceremony(bank: Organization, now: datetime) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    assert issue_pending(at=now) == 0
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.INTENDED


def test_it_works_in_no_process_without_the_workers_key(bank: Organization, now: datetime, settings: Settings) -> None:
    settings.LETTERLOCK_SIGNING_KEK = None
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    with pytest.raises(MissingKeyError):
        issue_pending(at=now)
    issuance.refresh_from_db()
    assert (issuance.status, issuance.lease_until) == (IssuanceStatus.INTENDED, None)


class _Killed(BaseException):
    """Stands for a process that ends at once."""


@pytest.mark.parametrize("step", ["_assign", "SignerClient.issue", "_publish"])
def test_it_is_finished_by_the_next_worker_after_a_kill(
    step: str, bank: Organization, signing_service: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now)

    def die(*_args: object, **_options: object) -> None:
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(f"mailer.issuing.{step}", die)
        with pytest.raises(_Killed):
            issue_pending(at=now)
    issuance.refresh_from_db()
    before = (issuance.serial, issuance.certificate)
    assert issue_pending(at=now) == 0, "the claim of the dead worker still stands"
    later = now + timedelta(seconds=61)
    assert issue_pending(at=later) == 1
    issuance.refresh_from_db()
    assert issuance.status == IssuanceStatus.ISSUED
    # What the dead worker had stored is what was signed.
    assert before[0] in {None, issuance.serial}
    assert before[1] is None or bytes(before[1]) == bytes(issuance.certificate or b"")
    assert Certificate.objects.count() == 1
    with SignerClient(signing_service) as client:
        assert client.issue(issuance.id) == bytes(issuance.certificate or b"")
    assert events_of(issuance).count("issue") == 1


@pytest.mark.usefixtures("signing_service")
def test_it_gives_new_dates_to_a_row_that_waited_for_days(bank: Organization, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    issuance = intend(organization=bank, address=BILLS, actor=ALICE, at=now - timedelta(days=3))

    def die(*_args: object, **_options: object) -> None:
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr("mailer.issuing.SignerClient.issue", die)
        with pytest.raises(_Killed):
            issue_pending(at=now - timedelta(days=3))
    issuance.refresh_from_db()
    old = issuance.serial
    assert issue_pending(at=now) == 1
    issuance.refresh_from_db()
    assert issuance.serial != old
    assert issuance.not_before == now.replace(microsecond=0)
    assert events_of(issuance) == ["intend", "assign", "redate", "issue", "publish"]


@pytest.mark.usefixtures("signing_service")
def test_it_issues_once_when_workers_race(bank: Organization, shop: Organization, now: datetime) -> None:
    addresses = [EmailAddress.parse(f"a{number}@bank.example.com") for number in range(6)]
    for address in addresses:
        intend(organization=bank, address=address, actor=ALICE, at=now)
    done: list[int] = []

    def work() -> None:
        try:
            done.append(issue_pending(at=now))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == len(addresses)
    assert Certificate.objects.filter(organization=bank, status=CertificateStatus.PUBLISHED).count() == len(addresses)
    assert LedgerEvent.objects.filter(event="issue").count() == len(addresses)
    assert len({issuance.serial for issuance in Issuance.objects.all()}) == len(addresses)
    assert not shop.certificates.exists()


@pytest.mark.usefixtures("signing_service")
def test_it_does_not_let_one_bad_row_hold_up_the_others(bank: Organization, shop: Organization, now: datetime) -> None:
    first = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    second = intend(organization=shop, address=EmailAddress.parse("post@shop.example.net"), actor="user:charlie", at=now + timedelta(seconds=1))
    SigningIdentity.objects.filter(issuances=first).update(status=SigningIdentityStatus.RETIRED)
    assert issue_pending(at=now) == 1
    second.refresh_from_db()
    assert second.status == IssuanceStatus.ISSUED
    first.refresh_from_db()
    assert first.published_at is None


@pytest.mark.usefixtures("signing_service")
def test_it_begins_anew_what_was_refused_and_nothing_else(bank: Organization, now: datetime, caplog: pytest.LogCaptureFixture) -> None:
    refused = intend(organization=bank, address=BILLS, actor=ALICE, at=now)
    with pytest.raises(NotRefusedError):
        intend_anew(issuance=refused, actor="user:operator", at=now)
    suspend(organization=bank, reason="report", actor="user:reviewer", at=now)
    assert issue_pending(at=now) == 0
    assert f"ALARM: issuance {refused.id} is refused" in caplog.text
    reinstate(organization=bank, reason="settled", actor="user:reviewer", at=now)
    refused = Issuance.objects.get(pk=refused.pk)
    again = intend_anew(issuance=refused, actor="user:operator", at=now)
    with pytest.raises(AlreadyIntendedError):
        intend_anew(issuance=refused, actor="user:operator", at=now)
    assert issue_pending(at=now) == 1
    again.refresh_from_db()
    assert (again.status, again.actor) == (IssuanceStatus.ISSUED, "user:operator")
    assert SigningIdentity.objects.get(status=SigningIdentityStatus.ACTIVE).issuances.get() == again
