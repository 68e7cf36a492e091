"""Erasing an address from the directory and all that leads into it: nothing names it afterwards, what was revoked stays revoked."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection
from django.test import Client

from directory.errors import RevokedCertificateError
from directory.lookup import encryption_certificates, look_up
from directory.models import Certificate, CertificateStatus, Change, DirectoryEvent, Mailbox, Organization
from directory.publishing import revoke
from directory.selection import Usage
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.ca.shards import Reason
from mailer.changes import apply_changes
from mailer.collecting import outward_status
from mailer.forgetting import erased_among, is_erased, let_in
from mailer.inviting import UnknownInvitationError, digest_of, find_invitation, invite, is_suppressed
from mailer.mailbox_erasing import AddressErasure, erase_address
from mailer.models import (
    Consent,
    ConsentStatus,
    ErasedAddress,
    Invitation,
    Issuance,
    IssuanceStatus,
    Notice,
    NoticeStatus,
    OwnerLink,
    Publication,
    PublicationStatus,
    Replacement,
    ReplacementStatus,
    SigningIdentity,
    SigningIdentityStatus,
)
from mailer.notices import deliver_notices
from mailer.owner_links import mail_link
from mailer.proving import TooManyProofsError, UnknownProofError, find_proof, submit
from mailer.replacing import publish_due, publish_or_wait
from tests.mailer.letters import ALICE, CHARLIE, Desk, publish_for

TO = "Dora.Frost@people.example.net"
DORA = EmailAddress.parse(TO)
OTHER = EmailAddress.parse("bob@people.example.org")
OPERATOR = "user:operator"
pytestmark = pytest.mark.django_db


def everything() -> str:
    """All rows of the directory and the mailer as text, but for the CA's ledger and the organisations' send log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND (tablename LIKE 'directory_%' OR tablename LIKE 'mailer_%')")
        tables = [row[0] for row in cursor.fetchall()]
        return "\n".join(_rows(tables)).lower()


def _rows(tables: Iterable[str]) -> Iterable[str]:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t")  # noqa: S608 - a name out of the catalogue
            yield from (row[0] for row in cursor.fetchall())


def waiting_replacement(desk: Desk, at: datetime) -> Replacement:
    new = parse_certificate(desk.authority.leaf(TO, "p384").der)
    row = publish_or_wait(address=DORA, parsed=new, level="external", source="uploaded", actor=CHARLIE, at=at)
    assert isinstance(row, Replacement)
    return row


def test_it_leaves_nothing_that_names_the_address(bank: Organization, desk: Desk, now: datetime) -> None:
    """Published, waiting, awaiting a proof, asked for consent, invited, with a link of its own: all of it at once."""
    certificate = publish_for(desk.authority.leaf(TO), TO, at=now)
    waiting_replacement(desk, now)
    submit(address=DORA, der=desk.authority.leaf(TO, "rsa2048").der, organization=bank, actor=ALICE, at=now)
    mail_link(DORA, actor="anonymous", at=now)
    invite(address=DORA, organization=bank, actor=ALICE, at=now)
    consent = Consent.objects.create(
        organization=bank, address=DORA.address, match=DORA.match, signer_der=desk.authority.leaf(TO).der, secret_digest="0" * 64,
        actor=ALICE, created_at=now, expires_at=now + timedelta(days=14),
    )  # fmt: skip
    assert "dora" in everything()
    assert DORA.address.encode().hex() in everything()
    assert {one.objects.filter(match=DORA.match).count() for one in (Replacement, Publication, OwnerLink, Invitation, Consent)} == {1}
    assert erase_address(DORA.match, actor=OPERATOR, at=now) == AddressErasure(certificates=1, revoked=0, in_flight=0)
    assert "dora" not in everything()
    # The DER of what was waiting named it as well.
    assert DORA.address.encode().hex() not in everything()
    assert Certificate.objects.get().fingerprint == certificate.fingerprint
    assert Replacement.objects.get().status == ReplacementStatus.STOPPED
    assert (Publication.objects.get().status, Publication.objects.get().reason) == (PublicationStatus.EXPIRED, ""), "the bank is not told"
    consent.refresh_from_db()
    assert consent.status == ConsentStatus.REFUSED
    assert outward_status(consent, at=now) == ConsentStatus.AWAITING_CONSENT, "the bank is not told"
    kept = list(Notice.objects.order_by("kind").values_list("kind", "status", "recipient", "content", "relay_reply"))
    assert kept == [(kind, NoticeStatus.FAILED, "", None, "") for kind in ("owner_link", "proof")], "counted, and not sent"
    assert deliver_notices(at=now) == 0


def test_it_gives_no_proof_mail_back(desk: Desk, now: datetime) -> None:
    """Charlie reads the mailbox for some minutes, and does not have it mailed for ever by erasing it."""
    holder = desk.authority.leaf(TO)
    for minutes in range(2):
        submit(address=DORA, der=holder.der, organization=None, actor=CHARLIE, at=now + timedelta(minutes=minutes))
    assert mail_link(DORA, actor="anonymous", at=now) is not None
    for minutes in (3, 4):
        erase_address(DORA.match, actor=OPERATOR, at=now + timedelta(minutes=minutes))
        assert mail_link(DORA, actor="anonymous", at=now + timedelta(minutes=minutes)) is None
        with pytest.raises(TooManyProofsError):
            submit(address=DORA, der=holder.der, organization=None, actor=CHARLIE, at=now + timedelta(minutes=minutes))
    assert Notice.objects.count() == 3
    assert mail_link(DORA, actor="anonymous", at=now + timedelta(hours=25)) is not None
    assert mail_link(OTHER, actor="anonymous", at=now) is not None


def test_it_leaves_the_answers_at_once_and_for_the_past(client: Client, desk: Desk, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now - timedelta(hours=1))
    erase_address(DORA.match, actor=OPERATOR, at=now)
    assert encryption_certificates([DORA.match], at=now)[DORA.match] == []
    (then,) = look_up([DORA], usage=Usage.ENCRYPT, at=now - timedelta(minutes=1))
    assert (then.status, then.selection.receipt) == ("none", ())
    told = client.get("/api/v1/certificates", {"email": TO}).json()
    assert told["certificates"] == []


def test_it_looks_through_no_changes_that_are_done(desk: Desk, now: datetime) -> None:
    """They name nobody; the pending ones have an index, and nobody else's go with them."""
    publish_for(desk.authority.leaf(TO), TO, at=now)
    apply_changes(at=now)
    assert Change.objects.exclude(done_at=None).get().match == ""
    publish_for(desk.authority.leaf(TO, "rsa2048"), TO, at=now)
    publish_for(desk.authority.leaf(OTHER.address), OTHER.address, at=now)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = Change.objects.filter(match=DORA.match, done_at=None).explain()
        cursor.execute("SET LOCAL enable_seqscan = on")
    assert "change_pending" in plan
    erase_address(DORA.match, actor=OPERATOR, at=now)
    assert Change.objects.get(done_at=None).match == OTHER.match
    assert "dora" not in everything()


def test_its_links_open_nothing_afterwards(bank: Organization, client: Client, desk: Desk, now: datetime) -> None:
    """Neither those of the owner nor an invitation's; an old proof publishes nothing."""
    publication = submit(address=DORA, der=desk.authority.leaf(TO).der, organization=None, actor=ALICE, at=now)
    invite(address=DORA, organization=bank, actor=ALICE, at=now)
    Publication.objects.filter(pk=publication.pk).update(secret_digest=digest_of("proof"))
    Invitation.objects.update(secret_digest=digest_of("invitation"))
    OwnerLink.objects.create(
        address=DORA.address, match=DORA.match, secret_digest=digest_of("owner"), created_at=now, expires_at=now + timedelta(hours=24)
    )
    erase_address(DORA.match, actor=OPERATOR, at=now)
    with pytest.raises(UnknownProofError):
        find_proof("proof", at=now)
    with pytest.raises(UnknownInvitationError):
        find_invitation("invitation", at=now)
    for path in ("/publications/proof/", "/invitations/invitation/", "/mailbox/owner/", "/mailbox/owner/erase/"):
        assert client.get(path).status_code == 404
        assert client.post(path).status_code == 404


def test_it_keeps_the_address_out_by_a_keyed_hash(bank: Organization, desk: Desk, now: datetime) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    erase_address(DORA.match, actor=OPERATOR, at=now)
    assert is_erased(DORA.match)
    assert erased_among([DORA.match, OTHER.match]) == {DORA.match}
    assert not is_erased(OTHER.match)
    assert is_suppressed(DORA.match)
    assert invite(address=DORA, organization=bank, actor=ALICE, at=now + timedelta(days=400)) is None
    assert let_in(DORA.match)
    assert not is_erased(DORA.match)
    assert not let_in(DORA.match), "there was nothing left to undo"


def test_a_hash_tells_nobody_without_the_key(now: datetime) -> None:
    erase_address(DORA.match, actor=OPERATOR, at=now)
    stored = ErasedAddress.objects.get().digest
    assert stored != sha256(DORA.match.encode()).hexdigest()
    assert len(stored) == 64


def test_it_may_be_repeated_and_done_for_an_address_nobody_knew(now: datetime) -> None:
    for _time in range(2):
        assert erase_address(DORA.match, actor=OPERATOR, at=now) == AddressErasure(0, 0, 0)
    assert ErasedAddress.objects.count() == 1
    assert list(DirectoryEvent.objects.filter(verb="address.erased").values_list("actor", flat=True)) == [OPERATOR] * 2
    assert not DirectoryEvent.objects.filter(subject__contains="dora").exists()


def test_what_was_revoked_stays_revoked_when_its_owner_comes_back(desk: Desk, now: datetime) -> None:
    lost, good = desk.authority.leaf(TO), desk.authority.leaf(TO, "rsa2048")
    revoke(certificate=publish_for(lost, TO, at=now), reason=Reason.KEY_COMPROMISE, actor=ALICE, at=now)
    publish_for(good, TO, at=now)
    erase_address(DORA.match, actor=OPERATOR, at=now)
    with pytest.raises(RevokedCertificateError):
        publish_for(lost, TO, at=now)
    back = publish_for(good, TO, at=now)
    assert [found.fingerprint for found in encryption_certificates([DORA.match], at=now)[DORA.match]] == [back.fingerprint]
    assert Mailbox.objects.filter(match=DORA.match).count() == 1


def test_it_touches_nobody_else(desk: Desk, now: datetime) -> None:
    publish_for(desk.authority.leaf(OTHER.address), OTHER.address, at=now)
    mail_link(OTHER, actor="anonymous", at=now)
    publish_for(desk.authority.leaf(TO), TO, at=now)
    erase_address(DORA.match, actor=OPERATOR, at=now)
    assert len(encryption_certificates([OTHER.match], at=now)[OTHER.match]) == 1
    assert OwnerLink.objects.get().match == OTHER.match
    assert Notice.objects.get().match == OTHER.match


def test_it_revokes_what_was_issued_here(bills: SigningIdentity, now: datetime) -> None:
    """Else nobody could look up any more that it is not to be trusted, and its organisation would go on signing with it."""
    assert bills.certificate is not None
    serial = f"{int(bills.certificate.serial, 16):x}"
    issuance = Issuance.objects.create(
        organization=bills.organization, identity=bills, profile="test", address=bills.address, status=IssuanceStatus.ISSUED, serial=serial,
        certificate=bytes(bills.certificate.der), actor=ALICE, created_at=now, issued_at=now,
    )  # fmt: skip
    assert erase_address(bills.match, actor=OPERATOR, at=now) == AddressErasure(certificates=1, revoked=1, in_flight=0)
    issuance.refresh_from_db()
    bills.refresh_from_db()
    assert (issuance.status, issuance.revocation_reason) == (IssuanceStatus.REVOKED, Reason.CESSATION_OF_OPERATION)
    assert bills.status == SigningIdentityStatus.RETIRED
    assert Certificate.objects.get().status == CertificateStatus.ERASED


def test_nothing_waits_on_after_it(desk: Desk, now: datetime) -> None:
    """Two days later the worker publishes nothing of what waited."""
    publish_for(desk.authority.leaf(TO), TO, at=now)
    waiting_replacement(desk, now)
    erase_address(DORA.match, actor=OPERATOR, at=now)
    publish_due(now + timedelta(days=3))
    assert not Certificate.objects.exclude(status=CertificateStatus.ERASED).exists()


def test_the_operators_command_does_both(desk: Desk, now: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    call_command("erase_recipient", TO, actor=OPERATOR)
    assert len(encryption_certificates([DORA.match], at=now)[DORA.match]) == 1, "the messages alone"
    call_command("erase_recipient", TO, actor=OPERATOR, directory=True)
    assert "with 1 certificates" in capsys.readouterr().out
    assert encryption_certificates([DORA.match], at=now)[DORA.match] == []
    with pytest.raises(CommandError):
        call_command("erase_recipient", "nobody", actor=OPERATOR, directory=True)


@pytest.mark.django_db(transaction=True)
def test_two_erasures_and_a_publication_at_once_end_in_one_state(desk: Desk, now: datetime) -> None:
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    faults: list[BaseException] = []

    def at_once(act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            faults.append(error)
        finally:
            connection.close()

    acts = [lambda: erase_address(DORA.match, actor=OPERATOR, at=now)] * 2 + [lambda: publish_for(holder, TO, at=now)]
    threads = [threading.Thread(target=at_once, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    assert faults == []
    shown = encryption_certificates([DORA.match], at=now)[DORA.match]
    living = Certificate.objects.exclude(status=CertificateStatus.ERASED)
    assert len(shown) == living.count() <= 1
