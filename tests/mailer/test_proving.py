"""Proving mailbox and key at once by a sealed mail: link and code work once, for 24 hours, for whoever opened the mail."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, ObjectIdentifier, load_der_x509_certificate
from cryptography.x509.oid import NameOID
from django.test import Client
from pytest_django import Settings

from directory.lookup import encryption_certificates
from directory.models import Certificate, DirectoryEvent, Mailbox, Organization, Source
from directory.publishing import erase, revoke
from directory.x509.errors import OutOfTimeError, UnsupportedKeyError, WeakKeyError, WrongAddressError
from directory.x509.names import EmailAddress
from mailer.forgetting import is_erased, keep_out
from mailer.inviting import invite
from mailer.models import Authority, Invitation, Publication, PublicationStatus
from mailer.notices import deliver_notices
from mailer.proving import (
    MOST_WRONG_CODES,
    ExpiredProofError,
    ForgedIssuerError,
    RevokedUploadError,
    TooManyProofsError,
    UnknownProofError,
    UsedProofError,
    WrongCodeError,
    confirm,
    confirm_code,
    expire_proofs,
    submit,
)
from mailer.uploads import handed_in
from portal.running.inbox import InboxServer
from tests.mailer.letters import ALICE, Desk, publish_for
from tests.pki import Holder

TO = "Dora@people.example.net"
DORA = EmailAddress.parse(TO)
pytestmark = pytest.mark.django_db


def hand_in(holder: Holder, organization: Organization | None, at: datetime, address: EmailAddress = DORA) -> Publication:
    return submit(address=address, der=holder.der, organization=organization, actor=ALICE, at=at)


def self_signed(holder: Holder, *, issuer: Sequence[tuple[ObjectIdentifier, str | bytes]], organization: str) -> Holder:
    """The holder's certificate once more, signed by its own key, with this issuer and an organisation in its subject."""
    old = holder.certificate
    builder = CertificateBuilder(
        issuer_name=Name([NameAttribute(*part) for part in issuer]),
        subject_name=Name([NameAttribute(NameOID.ORGANIZATION_NAME, organization)]),
        public_key=old.public_key(),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc.replace(tzinfo=None),
        not_valid_after=old.not_valid_after_utc.replace(tzinfo=None),
        extensions=list(old.extensions),
    )
    return Holder(builder.sign(holder.key, SHA256()), holder.key)


def opened(inbox_server: InboxServer, desk: Desk, holder: Holder, at: datetime) -> str:
    deliver_notices(at=at)
    return desk.decrypt(inbox_server.inbox.mails(TO)[-1].content, holder).decode().replace("=\r\n", "")


def code_in(inbox_server: InboxServer, desk: Desk, holder: Holder, at: datetime) -> str:
    found = re.search(r"^[2-9A-Z]{4}-[2-9A-Z]{4}\r?$", opened(inbox_server, desk, holder, at), re.MULTILINE)
    assert found
    return found[0].strip()


def path_in(inbox_server: InboxServer, desk: Desk, holder: Holder, at: datetime) -> str:
    found = re.search(r"/publications/[\w-]+/", opened(inbox_server, desk, holder, at))
    assert found
    return found[0]


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
def test_it_publishes_what_was_proven(kind: str, bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    client = Client()
    holder = desk.authority.leaf(TO, kind)
    publication = hand_in(holder, bank, now)
    assert publication.status == PublicationStatus.AWAITING_MAILBOX_PROOF
    path = path_in(inbox_server, desk, holder, now)
    page = client.get(path)
    assert page.status_code == HTTPStatus.OK
    assert TO.replace("@", "<wbr>@") in page.content.decode()
    assert not Certificate.objects.exists(), "a GET publishes nothing"
    assert client.post(path).status_code == HTTPStatus.OK
    certificate = Certificate.objects.get()
    assert (certificate.fingerprint, certificate.level, certificate.source) == (publication.fingerprint, "external", Source.UPLOADED)
    assert certificate.organization is None, "handing in is not owning"
    assert [found.fingerprint for found in encryption_certificates([DORA.match], at=datetime.now(UTC))[DORA.match]] == [certificate.fingerprint]
    publication.refresh_from_db()
    assert publication.status == PublicationStatus.PUBLISHED
    verbs = list(DirectoryEvent.objects.filter(subject=f"publication:{publication.id}").values_list("verb", flat=True))
    assert verbs == ["publication.submitted", "publication.published"]


def test_it_sends_the_link_to_nobody_without_the_key(bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    hand_in(desk.authority.leaf(TO), bank, now)
    deliver_notices(at=now)
    (mail,) = inbox_server.inbox.mails(TO)
    assert b"publications" not in mail.content
    assert mail.sender == "<>"
    assert mail.recipients == (TO,)


def test_it_works_once(bank: Organization, inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    hand_in(holder, bank, now)
    path = path_in(inbox_server, desk, holder, now)
    assert client.post(path).status_code == HTTPStatus.OK
    for response in (client.post(path), client.get(path)):
        assert response.status_code == HTTPStatus.GONE
        assert "was used" in response.content.decode()
    assert Certificate.objects.count() == 1


@pytest.mark.parametrize("swept", [True, False])
def test_it_works_for_a_day(
    swept: bool,  # noqa: FBT001 - pytest's parameter
    inbox_server: InboxServer,
    client: Client,
    now: datetime,
    desk: Desk,
) -> None:
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, None, now)
    path = path_in(inbox_server, desk, holder, now)
    Publication.objects.update(expires_at=now)
    if swept:
        assert expire_proofs(at=now) == 1
        publication.refresh_from_db()
        assert publication.status == PublicationStatus.EXPIRED
    assert client.post(path).status_code == HTTPStatus.GONE
    assert not Certificate.objects.exists()


def test_it_is_not_guessed_by_charlie(bank: Organization, client: Client, now: datetime, desk: Desk) -> None:
    publication = hand_in(desk.authority.leaf(TO), bank, now)
    for guess in (str(publication.id), publication.fingerprint, publication.secret_digest, "x" * 43):
        assert client.get(f"/publications/{guess}/").status_code == HTTPStatus.NOT_FOUND
        with pytest.raises(UnknownProofError):
            confirm(str(guess), at=now)
    assert not Certificate.objects.exists()


def test_it_takes_no_forged_form(bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    hand_in(holder, bank, now)
    path = path_in(inbox_server, desk, holder, now)
    assert Client(enforce_csrf_checks=True).post(path).status_code == HTTPStatus.FORBIDDEN
    assert not Certificate.objects.exists()


def test_it_mails_three_proofs_a_day_and_no_more(bank: Organization, shop: Organization, now: datetime, desk: Desk) -> None:
    """Charlie's shop cannot flood a mailbox that the bank has written to either, nor take the owner's own proof."""
    holder = desk.authority.leaf(TO)
    for organization in (bank, shop):
        hand_in(holder, organization, now)
    for organization in (bank, shop):
        with pytest.raises(TooManyProofsError):
            hand_in(holder, organization, now + timedelta(hours=23))
    hand_in(holder, None, now + timedelta(hours=23))
    with pytest.raises(TooManyProofsError):
        hand_in(holder, None, now + timedelta(hours=23))
    hand_in(holder, shop, now + timedelta(hours=24, seconds=1))


def test_its_owner_may_use_all_three(bank: Organization, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    for _time in range(3):
        hand_in(holder, None, now)
    for organization in (None, bank):
        with pytest.raises(TooManyProofsError):
            hand_in(holder, organization, now)


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("spell", [str, str.upper, "  {} ".format], ids=["as it is", "upper case", "blanks"])
def test_it_refuses_who_calls_our_ca_the_issuer(spell: Callable[[str], str], bank: Organization, now: datetime, desk: Desk) -> None:
    """Charlie signs a certificate alone and writes our CA's name and the bank's into it: a look-up would tell both on."""
    subject = load_der_x509_certificate(bytes(Authority.objects.get(slug="smime-1").certificate)).subject
    name = [(part.oid, part.value if part.oid == NameOID.COUNTRY_NAME else spell(str(part.value))) for part in subject]
    forged = self_signed(desk.authority.leaf(TO), issuer=name, organization=bank.legal_name)
    with pytest.raises(ForgedIssuerError):
        hand_in(forged, None, now)
    assert not Publication.objects.exists()


@pytest.mark.usefixtures("ca")
def test_it_tells_nobody_what_a_strangers_certificate_claims(bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    holder = self_signed(desk.authority.leaf(TO), issuer=[(NameOID.COMMON_NAME, "Charlie's CA")], organization=bank.legal_name)
    hand_in(holder, None, now)
    assert Client().post(path_in(inbox_server, desk, holder, now)).status_code == HTTPStatus.OK
    told = Client().get("/api/v1/certificates", {"email": TO})
    (certificate,) = told.json()["certificates"]
    assert certificate["level"] == "external"
    assert set(certificate["identity"].values()) == {None}
    assert bank.legal_name not in Client().get("/lookup", {"email": TO}).content.decode()


def test_it_refuses_what_could_not_be_published(now: datetime, desk: Desk) -> None:
    leaf = desk.authority.leaf
    with pytest.raises(WeakKeyError):
        hand_in(leaf(TO, "rsa1024"), None, now)
    with pytest.raises(UnsupportedKeyError):
        hand_in(leaf(TO, "p521"), None, now)
    with pytest.raises(OutOfTimeError):
        hand_in(leaf(TO, days=(-20, -10)), None, now)
    with pytest.raises(WrongAddressError):
        hand_in(leaf("charlie@shop.example.net"), None, now)
    assert not Publication.objects.exists()


def test_it_ends_a_proof_that_came_too_late_for_its_certificate(
    bank: Organization, inbox_server: InboxServer, client: Client, now: datetime, desk: Desk
) -> None:
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, bank, now)
    path = path_in(inbox_server, desk, holder, now)
    revoke(certificate=publish_for(holder, TO, at=now), reason="keyCompromise", actor=ALICE, at=now)
    response = client.post(path)
    assert response.status_code == HTTPStatus.CONFLICT
    assert "was revoked" in response.content.decode()
    publication.refresh_from_db()
    assert (publication.status, publication.reason) == (PublicationStatus.REFUSED, "revoked_certificate")
    assert client.post(path).status_code == HTTPStatus.GONE


def test_it_answers_the_invitations_of_the_mailbox(bank: Organization, inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    invite(address=DORA, organization=bank, actor=ALICE, at=now)
    deliver_notices(at=now)
    holder = desk.authority.leaf(TO)
    hand_in(holder, None, now)
    client.post(path_in(inbox_server, desk, holder, now))
    assert Invitation.objects.get().answered_at is not None


def test_it_stores_no_secret(bank: Organization, inbox_server: InboxServer, now: datetime, settings: Settings, desk: Desk) -> None:
    settings.LETTERLOCK_SMTP_URL, working = "smtp://127.0.0.1:1", settings.LETTERLOCK_SMTP_URL
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, bank, now)
    stored = bytes(publication.notice.content or b"") if publication.notice else b""
    settings.LETTERLOCK_SMTP_URL = working
    secret = path_in(inbox_server, desk, holder, now).split("/")[2]
    assert secret.encode() not in stored
    assert publication.secret_digest != secret


@pytest.mark.parametrize("spell", [str, str.lower, lambda code: code.replace("-", ""), "  {} ".format], ids=["as it is", "lower", "plain", "blanks"])
def test_its_code_does_what_its_link_does(
    spell: Callable[[str], str], bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk
) -> None:
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, bank, now)
    path = path_in(inbox_server, desk, holder, now)
    code = code_in(inbox_server, desk, holder, now)
    proven = confirm_code(publication.id, spell(code), at=now)
    assert proven.status == PublicationStatus.PUBLISHED
    assert Certificate.objects.get().fingerprint == publication.fingerprint
    with pytest.raises(UsedProofError):
        confirm_code(publication.id, code, at=now)
    assert Client().post(path).status_code == HTTPStatus.GONE


def test_its_code_is_not_guessed_by_charlie(bank: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    """Five wrong ones end it, for the right one and for the link too."""
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, bank, now)
    path = path_in(inbox_server, desk, holder, now)
    code = code_in(inbox_server, desk, holder, now)
    for left in reversed(range(MOST_WRONG_CODES)):
        with pytest.raises(WrongCodeError) as wrong:
            confirm_code(publication.id, "2222-2222", at=now)
        assert wrong.value.left == left
    with pytest.raises(UsedProofError):
        confirm_code(publication.id, code, at=now)
    assert Client().post(path).status_code == HTTPStatus.GONE
    publication.refresh_from_db()
    assert (publication.status, publication.reason) == (PublicationStatus.REFUSED, "wrong_codes")
    assert not Certificate.objects.exists()


def test_its_code_is_of_one_publication(bank: Organization, shop: Organization, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    """Charlie's shop gets a mail of its own to the mailbox, and a code from the bank's mail is nothing there."""
    holder = desk.authority.leaf(TO)
    hand_in(holder, bank, now)
    code = code_in(inbox_server, desk, holder, now)
    with pytest.raises(WrongCodeError):
        confirm_code(hand_in(holder, shop, now).id, code, at=now)
    assert not Certificate.objects.exists()


def test_its_code_works_for_a_day(inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    publication = hand_in(holder, None, now)
    code = code_in(inbox_server, desk, holder, now)
    with pytest.raises(ExpiredProofError):
        confirm_code(publication.id, code, at=now + timedelta(hours=24))
    assert not Certificate.objects.exists()


def test_it_refuses_what_was_revoked_before(now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    revoke(certificate=publish_for(holder, TO, at=now), reason="keyCompromise", actor=ALICE, at=now)
    with pytest.raises(RevokedUploadError):
        hand_in(holder, None, now)
    assert not Publication.objects.exists()


def test_its_owner_comes_back_after_an_erasure(inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    mailbox = publish_for(holder, TO, at=now).mailbox
    erase(mailbox=mailbox, actor=ALICE, at=now)
    keep_out(DORA.match, at=now)
    hand_in(holder, None, now)
    assert is_erased(DORA.match), "handing in proves nothing"
    assert client.post(path_in(inbox_server, desk, holder, now)).status_code == HTTPStatus.OK
    assert not is_erased(DORA.match)
    assert [found.fingerprint for found in encryption_certificates([DORA.match], at=datetime.now(UTC))[DORA.match]]


def test_it_notes_that_the_mailbox_was_proven(inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    hand_in(holder, None, now)
    client.post(path_in(inbox_server, desk, holder, now))
    proven_at = Mailbox.objects.get().proven_at
    assert proven_at is not None
    assert proven_at >= now


def test_it_keeps_the_chain_that_came_along(inbox_server: InboxServer, client: Client, now: datetime, desk: Desk) -> None:
    holder = desk.authority.leaf(TO)
    given = handed_in(desk.authority.root.pem + desk.authority.issuer.pem + holder.pem, None)
    assert (given.address.match, given.der, list(given.chain)) == (DORA.match, holder.der, [desk.authority.root.der, desk.authority.issuer.der])
    submit(address=DORA, der=given.der, chain=given.chain, organization=None, actor=ALICE, at=now)
    client.post(path_in(inbox_server, desk, holder, now))
    assert [bytes(der) for der in Certificate.objects.get().chain] == list(given.chain)
