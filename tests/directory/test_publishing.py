"""What comes into the directory and leaves it, and what stays behind."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from directory import answers, publishing
from directory.certificate_states import TRANSITIONS, move
from directory.errors import IllegalMoveError, RevokedCertificateError, TooManyPublishedError
from directory.lookup import encryption_certificates, look_up
from directory.models import Answer, Certificate, CertificateStatus, Change, DirectoryEvent, Mailbox, Organization
from directory.selection import Usage
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import WrongAddressError
from directory.x509.names import EmailAddress
from mailer.smime.capabilities import OURS
from tests.directory.conftest import ALICE, CHARLIE, Publisher
from tests.pki import Authority
from tests.pki import Usage as KeyUse

ADDRESS = EmailAddress.parse("alice@example.com")


def two_addresses(authority: Authority, first: str, second: str) -> ParsedCertificate:
    leaf = authority.leaf(first)
    old = leaf.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        names = isinstance(extension.value, x509.SubjectAlternativeName)
        value = x509.SubjectAlternativeName([x509.RFC822Name(first), x509.RFC822Name(second)]) if names else extension.value
        builder = builder.add_extension(value, critical=extension.critical)
    return parse_certificate(builder.sign(authority.issuer.key, hashes.SHA256()).public_bytes(Encoding.DER))


def selected(at: datetime, address: EmailAddress = ADDRESS) -> str | None:
    certificate = look_up([address], usage=Usage.ENCRYPT, at=at)[0].selected
    return certificate.fingerprint if certificate else None


def test_it_publishes_with_answer_change_and_event(published: Publisher, bank: Organization, at: datetime) -> None:
    certificate = published("Alice@Example.com", "rsa2048", organization=bank)
    assert (certificate.mailbox.address, certificate.mailbox.match) == ("Alice@example.com", "alice@example.com")
    assert (certificate.key_type, certificate.key_bits, certificate.can_sign, certificate.can_encrypt) == ("RSA", 2048, True, True)
    assert selected(at) == certificate.fingerprint
    assert Answer.objects.get().match == "alice@example.com"
    change = Change.objects.get()
    assert (change.kind, change.match, change.address, change.fingerprint, change.organization, change.done_at) == (
        "published",
        "alice@example.com",
        "Alice@example.com",
        certificate.fingerprint,
        bank,
        None,
    )
    event = DirectoryEvent.objects.filter(verb="certificate.published").get()
    assert (event.actor, event.subject, event.organization, event.at) == (ALICE, f"certificate:{certificate.fingerprint}", bank, at)


def test_no_event_names_an_address(published: Publisher, at: datetime) -> None:
    """Events outlive an erasure."""
    certificate = published("alice@example.com")
    publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=at)
    publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    for event in DirectoryEvent.objects.all():
        assert "@" not in f"{event.subject} {event.detail}"


def test_to_publish_twice_changes_nothing(authority: Authority, db: None, at: datetime) -> None:  # noqa: ARG001 - the database
    parsed = parse_certificate(authority.leaf("alice@example.com").der)
    first, again = (publishing.publish(address=ADDRESS, parsed=parsed, level="V1", source="uploaded", actor=ALICE, at=at) for _ in range(2))
    assert first.pk == again.pk
    assert (Change.objects.count(), DirectoryEvent.objects.count()) == (1, 1)


def test_it_keeps_the_capabilities_that_the_certificate_names_until_it_is_erased(authority: Authority, db: None, at: datetime) -> None:  # noqa: ARG001
    holder = authority.leaf("alice@example.com", capabilities=OURS)
    certificate = publishing.publish(address=ADDRESS, parsed=parse_certificate(holder.der), level="V1", source="uploaded", actor=ALICE, at=at)
    certificate.refresh_from_db()
    assert bytes(certificate.smime_capabilities or b"") == OURS
    publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    certificate.refresh_from_db()
    assert certificate.smime_capabilities is None


def test_charlie_cannot_publish_his_certificate_for_alice(authority: Authority, db: None, at: datetime) -> None:  # noqa: ARG001
    parsed = parse_certificate(authority.leaf("charlie@example.com").der)
    with pytest.raises(WrongAddressError):
        publishing.publish(address=ADDRESS, parsed=parsed, level="V1", source="uploaded", actor=CHARLIE, at=at)
    assert not Mailbox.objects.exists()


def test_a_revoked_certificate_never_comes_back(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com")
    publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at)
    assert selected(at) is None
    assert not Answer.objects.exists()
    assert list(Change.objects.order_by("id").values_list("kind", flat=True)) == ["published", "ended"]
    with pytest.raises(RevokedCertificateError):
        publishing.publish(address=ADDRESS, parsed=parse_certificate(bytes(certificate.der)), level="V1", source="uploaded", actor=ALICE, at=at)
    with pytest.raises(IllegalMoveError):
        publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at)
    assert DirectoryEvent.objects.filter(verb="certificate.revoked").get().detail == {"reason": "keyCompromise"}


def test_a_superseded_certificate_gives_way_and_may_be_revoked_later(published: Publisher, at: datetime) -> None:
    old, new = published("alice@example.com"), published("alice@example.com", "rsa2048", days=(-2, 300))
    assert selected(at) == old.fingerprint  # the newer not_before
    publishing.supersede(certificate=old, actor=ALICE, at=at)
    assert selected(at) == new.fingerprint
    publishing.revoke(certificate=old, reason="superseded", actor=ALICE, at=at + timedelta(hours=1))
    old.refresh_from_db()
    assert (old.status, old.ended_at, old.revocation_reason) == ("revoked", at, "superseded")


def test_a_mailbox_has_at_most_ten(published: Publisher) -> None:
    for _ in range(publishing.MOST_PUBLISHED):
        published("alice@example.com")
    with pytest.raises(TooManyPublishedError):
        published("alice@example.com")
    published("bob@example.com")


def test_a_hidden_mailbox_is_as_if_it_were_not_known(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com", when=at - timedelta(days=1))
    publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=at)
    assert selected(at) is None
    assert selected(at - timedelta(hours=1)) is None
    assert not Answer.objects.exists()
    assert encryption_certificates([ADDRESS.match], at=at) == {ADDRESS.match: []}
    publishing.show(mailbox=certificate.mailbox, actor=ALICE, at=at)
    assert selected(at) == certificate.fingerprint
    assert Answer.objects.exists()


def test_erasing_forgets_what_certificates_say_and_shows_nothing_of_the_past(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com", when=at - timedelta(days=1))
    publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    certificate.refresh_from_db()
    assert (certificate.status, bytes(certificate.der), bytes(certificate.spki), certificate.ended_at) == ("erased", b"", b"", at)
    found = look_up([ADDRESS], usage=Usage.ENCRYPT, at=at - timedelta(hours=1))[0]
    assert (found.status, found.selection.receipt) == ("none", ())
    assert not Answer.objects.exists()


def test_who_was_erased_can_come_back_by_a_new_proof(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com")
    der = bytes(certificate.der)
    publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    again = publishing.publish(address=ADDRESS, parsed=parse_certificate(der), level="V1", source="uploaded", actor=ALICE, at=at)
    assert again.mailbox_id != certificate.mailbox_id
    assert selected(at) == again.fingerprint
    assert [bytes(row.der) for row in Certificate.objects.order_by("id")] == [b"", der]


def test_erasing_leaves_no_address_in_any_table(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com", proven_at=at)
    publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=at)
    publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    kept = [*Mailbox.objects.values(), *Change.objects.values(), *Answer.objects.values(), *DirectoryEvent.objects.values()]
    assert kept
    assert "@" not in str([*kept, *Certificate.objects.values_list("issuer", "name", "chain", "der")])
    publishing.erase(mailbox=Mailbox.objects.get(), actor=ALICE, at=at)  # again: nothing happens
    assert DirectoryEvent.objects.filter(verb="mailbox.erased").count() == 1


@pytest.mark.parametrize("erased_first", [True, False])
def test_what_was_revoked_stays_so_though_it_is_erased(published: Publisher, at: datetime, *, erased_first: bool) -> None:
    certificate = published("alice@example.com")
    parsed = parse_certificate(bytes(certificate.der))
    if erased_first:
        publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
        certificate.refresh_from_db()
    publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at)
    if not erased_first:
        publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=at)
    with pytest.raises(RevokedCertificateError):
        publishing.publish(address=ADDRESS, parsed=parsed, level="V1", source="uploaded", actor=ALICE, at=at)
    assert not Mailbox.objects.filter(match=ADDRESS.match).exists()


def test_what_is_revoked_for_one_mailbox_is_so_for_all(authority: Authority, db: None, at: datetime) -> None:  # noqa: ARG001 - the database
    """Alice's certificate names two addresses of hers; Charlie, who has got her key, cannot bring it back under the other one."""
    both = two_addresses(authority, "alice@example.com", "a.smith@example.com")
    other = EmailAddress.parse("a.smith@example.com")
    first = publishing.publish(address=ADDRESS, parsed=both, level="V1", source="uploaded", actor=ALICE, at=at)
    publishing.publish(address=other, parsed=both, level="V1", source="uploaded", actor=ALICE, at=at)
    publishing.revoke(certificate=first, reason="keyCompromise", actor=ALICE, at=at)
    assert selected(at) is selected(at, other) is None
    assert set(Certificate.objects.values_list("status", flat=True)) == {"revoked"}
    with pytest.raises(RevokedCertificateError):
        publishing.publish(address=other, parsed=both, level="V1", source="uploaded", actor=CHARLIE, at=at)


def test_it_keeps_the_chain_and_the_judgement(published: Publisher, authority: Authority, at: datetime) -> None:
    certificate = published("alice@example.com", chain=[authority.issuer.der] * 7, trust="untrusted")
    certificate.refresh_from_db()
    assert [bytes(der) for der in certificate.chain] == [authority.issuer.der] * publishing.MOST_CHAIN
    assert (certificate.trust, certificate.judged_at) == ("untrusted", at)
    never = published("bob@example.com")
    assert (never.chain, never.trust, never.judged_at) == ([], "", None)


def test_it_notes_when_the_mailbox_was_proven(published: Publisher, at: datetime) -> None:
    mailbox = published("alice@example.com").mailbox
    mailbox.refresh_from_db()
    assert mailbox.proven_at is None, "an import proves nothing"
    Mailbox.objects.update(reverify_asked_at=at)
    published("alice@example.com", proven_at=at)
    mailbox.refresh_from_db()
    assert [mailbox.proven_at, mailbox.reverify_asked_at] == [at, None]


@pytest.mark.parametrize("level", ["V1", "V2", "V3", "V4", "external"])
def test_it_tells_whom_the_certificate_names_only_where_that_was_validated(authority: Authority, db: None, at: datetime, level: str) -> None:  # noqa: ARG001
    parsed = parse_certificate(authority.leaf("alice@example.com", organization="Bank AG").der)
    certificate = publishing.publish(address=ADDRESS, parsed=parsed, level=level, source="uploaded", actor=ALICE, at=at)
    assert certificate.organization_name == ("Bank AG" if level in {"V2", "V3", "V4"} else "")


def test_a_signing_certificate_alone_is_no_answer(published: Publisher, at: datetime) -> None:
    published("alice@example.com", usage=KeyUse.SIGN)
    assert selected(at) is None
    assert look_up([ADDRESS], usage=Usage.SIGN, at=at)[0].status == "found"


def test_sealing_gets_the_selected_one_first(published: Publisher, at: datetime) -> None:
    low, high = published("alice@example.com", level="V1"), published("alice@example.com", "rsa2048", level="V4")
    published("charlie@example.com")
    found = encryption_certificates([ADDRESS.match, "nobody@example.com"], at=at)
    assert [parts.fingerprint for parts in found[ADDRESS.match]] == [high.fingerprint, low.fingerprint]
    assert found["nobody@example.com"] == []
    assert set(found) == {ADDRESS.match, "nobody@example.com"}


@pytest.mark.parametrize("to", list(CertificateStatus))
@pytest.mark.parametrize("before", list(CertificateStatus))
def test_a_certificate_moves_by_the_table_alone(published: Publisher, at: datetime, before: CertificateStatus, to: CertificateStatus) -> None:
    certificate = published("alice@example.com")
    Certificate.objects.update(status=before)
    certificate.status = before
    events = DirectoryEvent.objects.count()
    if to in TRANSITIONS[before]:
        move(certificate, to, actor=ALICE, at=at, facts={})
        assert Certificate.objects.get().status == certificate.status == to
        assert DirectoryEvent.objects.count() == events + 1
    else:
        with pytest.raises(IllegalMoveError):
            move(certificate, to, actor=ALICE, at=at, facts={})
        assert Certificate.objects.get().status == before
        assert DirectoryEvent.objects.count() == events


def test_a_stale_copy_does_not_move(published: Publisher, at: datetime) -> None:
    certificate = published("alice@example.com")
    Certificate.objects.update(status=CertificateStatus.REVOKED)
    with pytest.raises(IllegalMoveError):
        publishing.supersede(certificate=certificate, actor=ALICE, at=at)
    assert answers.read_one(ADDRESS.match) != answers.NONE  # nothing was done by halves
