"""Collecting from signed mail: its owner is asked once, by mail, and nothing is published or told without them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from http import HTTPStatus

import pytest
from django.test import Client

from directory.lookup import look_up
from directory.models import Certificate, CertificateStatus, DirectoryEvent, Organization
from directory.publishing import publish, supersede
from directory.selection import Usage as Wanted
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer import collecting
from mailer.collecting import TooManyContributionsError, contribute, expire_consents, outward_status
from mailer.consenting import ConsentError, ExpiredConsentError, OldConsentLinkError, UsedConsentError, find_consent, give_consent, refuse_consent
from mailer.contributed import ContributionRefusedError
from mailer.forgetting import keep_out
from mailer.inviting import invite
from mailer.models import Consent, ConsentStatus, Invitation, Notice, Replacement, Suppression
from mailer.notices import deliver_notices
from portal.running.inbox import InboxServer
from tests.mailer.foreign import keep, trust
from tests.mailer.signed_mail import ENTITY, by_issuer, crl, mail, signature
from tests.pki import Authority, Holder, Usage, make_key

pytestmark = pytest.mark.django_db
DORA = "Dora@people.example.net"
ADDRESS = EmailAddress.parse(DORA)
WEEK = timedelta(days=7)


class Post:
    """Hands in what Dora signed, for the bank unless for another."""

    def __init__(self, authority: Authority, bank: Organization, now: datetime) -> None:
        self.authority, self.bank, self.now = authority, bank, now
        self.dora = authority.leaf(DORA, "p256", Usage.DUAL)

    def signed(self, signer: Holder | None = None, *others: Holder, preference: bytes | None = None) -> bytes:
        signer = signer or self.dora
        certificates = [signer.der, self.authority.issuer.der, *(other.der for other in others)]
        return mail(signature(signer, certificates, preference=preference), sender=f"Dora <{DORA}>")

    def revoke(self) -> None:
        """Their authority takes Dora's certificate back."""
        lists = crl(self.authority.root, at=self.now), crl(self.authority.issuer, at=self.now, revoked=[self.dora])
        keep(*lists, at=self.now + timedelta(seconds=1))

    def hand_in(self, message: bytes | None = None, *, organization: Organization | None = None, at: datetime | None = None) -> Consent:
        return contribute(
            message or self.signed(), organization=organization or self.bank, actor="token:1", at=at or self.now, texts=lambda _name: []
        )


@pytest.fixture
def post(authority: Authority, bank: Organization, now: datetime) -> Post:
    """Their authority is trusted, and says of all its certificates that they are good."""
    trust(authority.root, at=now)
    keep(crl(authority.root, at=now), crl(authority.issuer, at=now), at=now)
    return Post(authority, bank, now)


def asked(inbox_server: InboxServer, now: datetime) -> EmailMessage:
    """The last mail that Dora got."""
    deliver_notices(at=now + timedelta(seconds=10))
    parsed = message_from_bytes(inbox_server.inbox.mails(DORA)[0].content, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def secret_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(r"http://127\.0\.0\.1:8000/consent/([\w-]+)/\s", body.get_content())
    assert found
    return found[1]


@pytest.fixture
def secret(post: Post, inbox_server: InboxServer, now: datetime) -> str:
    """Of the question that Dora was mailed."""
    post.hand_in()
    return secret_of(asked(inbox_server, now))


def published() -> list[str]:
    return list(Certificate.objects.filter(status=CertificateStatus.PUBLISHED).values_list("source", flat=True))


def test_it_asks_the_owner_before_anything_is_published(post: Post, inbox_server: InboxServer, now: datetime) -> None:
    consent = post.hand_in()
    assert (consent.status, published()) == (ConsentStatus.AWAITING_CONSENT, [])
    said = asked(inbox_server, now)
    assert inbox_server.inbox.mails(DORA)[0].sender == "<>", "the null return path"
    assert "Muster Bank AG" in said.as_string()
    assert said["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(r"<http://127\.0\.0\.1:8000/consent/[\w-]+/never/>", str(said["List-Unsubscribe"]))
    assert find_consent(secret_of(said), at=now).pk == consent.pk


def test_nothing_of_the_mail_is_kept(post: Post, inbox_server: InboxServer, now: datetime) -> None:
    consent = post.hand_in()
    words = ENTITY.splitlines()[-1]
    kept = b"".join(bytes(value) if isinstance(value, memoryview | bytes) else str(value).encode() for value in vars(consent).values())
    assert words not in kept
    assert words not in asked(inbox_server, now).as_bytes()
    assert all(words.decode() not in str(event.detail) for event in DirectoryEvent.objects.all())


def test_yes_publishes_what_the_mail_brought(post: Post, secret: str, now: datetime) -> None:
    consent, (certificate,) = give_consent(secret, at=now)
    assert isinstance(certificate, Certificate)
    assert (certificate.source, certificate.level, certificate.trust) == ("collected", "external", "verified")
    assert [bytes(der) for der in certificate.chain] == post.authority.chain
    assert look_up([ADDRESS], usage=Wanted.ENCRYPT, at=now)[0].certificates[0].fingerprint == parse_certificate(post.dora.der).fingerprint
    assert outward_status(consent, at=now) == ConsentStatus.GIVEN
    with pytest.raises(UsedConsentError):
        give_consent(secret, at=now)
    assert published() == ["collected"]


def test_yes_publishes_both_where_there_are_two(post: Post, inbox_server: InboxServer, now: datetime) -> None:
    signer = post.authority.leaf(DORA, "p256", Usage.SIGN)
    card = post.authority.leaf(DORA, "p384", Usage.ENCRYPT, key=make_key("p384"))
    post.hand_in(post.signed(signer, card, preference=by_issuer(card)))
    _consent, done = give_consent(secret_of(asked(inbox_server, now)), at=now)
    assert {one.fingerprint for one in done} == {parse_certificate(holder.der).fingerprint for holder in (signer, card)}


def test_one_key_alone_is_to_be_encrypted_to(post: Post, inbox_server: InboxServer, now: datetime) -> None:
    """The signer's could be encrypted to as well, but that is not what she wants."""
    card = post.authority.leaf(DORA, "p384", Usage.ENCRYPT, key=make_key("p384"))
    post.hand_in(post.signed(None, card, preference=by_issuer(card)))
    _consent, done = give_consent(secret_of(asked(inbox_server, now)), at=now)
    assert [one.fingerprint for one in done] == [parse_certificate(card.der).fingerprint]


def test_a_replay_makes_no_second_mail(post: Post, shop: Organization, secret: str, now: datetime) -> None:
    """Neither by the bank nor by Charlie, neither now nor when the week is over nor after the answer; and nobody sees a difference."""
    message = post.signed()
    again = [post.hand_in(message), post.hand_in(message, organization=shop), post.hand_in(message, at=now + WEEK + timedelta(hours=1))]
    assert {consent.status for consent in again} == {ConsentStatus.AWAITING_CONSENT}
    assert len({consent.pk for consent in again}) == 3
    give_consent(secret, at=now + timedelta(hours=24))
    assert Consent.objects.filter(status=ConsentStatus.GIVEN).count() == 4, "whoever handed it in is told"
    later = post.hand_in(message, at=now + WEEK + timedelta(days=2))
    assert later.status == ConsentStatus.AWAITING_CONSENT
    assert Notice.objects.filter(kind="consent").count() == 1


def test_a_certificate_that_is_known_is_not_asked_about(post: Post, now: datetime) -> None:
    """An old mail does not bring back what its owner replaced."""
    certificate = publish(address=ADDRESS, parsed=parse_certificate(post.dora.der), level="external", source="uploaded", actor="user:dora", at=now)
    supersede(certificate=certificate, actor="user:dora", at=now)
    assert post.hand_in().status == ConsentStatus.AWAITING_CONSENT
    assert not Notice.objects.exists()


def quiet(post: Post, now: datetime) -> None:
    """Handed in, answered as ever, and neither mailed nor kept."""
    taken = post.hand_in(at=now)
    assert (taken.status, taken.reason) == (ConsentStatus.AWAITING_CONSENT, "")
    assert not Notice.objects.filter(kind="consent", created_at__gte=now).exists()
    row = Consent.objects.get(pk=taken.pk)
    assert (row.address, row.match, bytes(row.signer_der), row.chain) == ("", "", b"", [])
    assert outward_status(row, at=now) == ConsentStatus.AWAITING_CONSENT
    expire_consents(at=now + timedelta(days=15))
    assert outward_status(Consent.objects.get(pk=taken.pk), at=now + timedelta(days=15)) == ConsentStatus.EXPIRED


def test_an_erased_address_is_not_asked(post: Post, now: datetime) -> None:
    keep_out(ADDRESS.match, at=now)
    quiet(post, now)


def test_invitations_and_questions_share_one_budget(post: Post, bank: Organization, now: datetime) -> None:
    assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now - WEEK + timedelta(hours=1))
    quiet(post, now)


def test_a_question_takes_the_invitations_share(post: Post, bank: Organization, now: datetime) -> None:
    post.hand_in()
    assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now + WEEK - timedelta(hours=1)) is None
    assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now + WEEK + timedelta(hours=1))


def test_three_unanswered_are_the_most_of_both_together(post: Post, bank: Organization, now: datetime) -> None:
    for weeks in (3, 2):
        assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now - weeks * (WEEK + timedelta(hours=1)))
    post.hand_in()
    expire_consents(at=now + timedelta(days=14))
    other = post.signed(post.authority.leaf(DORA, "p256", Usage.SIGN, key=make_key("p256")))
    post.hand_in(other, at=now + WEEK - timedelta(hours=1))
    assert Notice.objects.filter(kind="consent").count() == 1
    assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now + 3 * WEEK) is None


def test_never_again_holds_for_all_and_for_invitations(post: Post, bank: Organization, shop: Organization, secret: str, now: datetime) -> None:
    second = post.hand_in(organization=shop)
    refuse_consent(secret, at=now)
    refuse_consent(secret, at=now + WEEK)
    assert Suppression.objects.count() == 1
    assert not Consent.objects.exclude(match="", address="").exists(), "what was kept of her went"
    with pytest.raises(ConsentError):
        give_consent(secret, at=now)
    second.refresh_from_db()
    assert outward_status(second, at=now) == ConsentStatus.AWAITING_CONSENT, "nobody is told that she refused"
    assert outward_status(second, at=second.expires_at) == ConsentStatus.EXPIRED
    assert invite(address=ADDRESS, organization=bank, actor="user:alice", at=now + 2 * WEEK) is None
    quiet(post, now + timedelta(days=1))
    assert published() == []
    assert not Invitation.objects.exists()


def test_a_question_is_open_for_fourteen_days(secret: str, now: datetime) -> None:
    with pytest.raises(OldConsentLinkError):
        find_consent(secret, at=now + timedelta(days=14) - timedelta(seconds=1))
    for moment in (now + timedelta(days=14), now + timedelta(days=15)):
        with pytest.raises(ExpiredConsentError):
            give_consent(secret, at=moment)
    assert expire_consents(at=now + timedelta(days=14)) == 1
    assert expire_consents(at=now + timedelta(days=14)) == 0
    with pytest.raises(ExpiredConsentError):
        give_consent(secret, at=now)
    refuse_consent(secret, at=now + timedelta(days=100))
    assert Suppression.objects.exists(), "to refuse is possible for ever"
    assert published() == []


def test_what_was_revoked_meanwhile_is_not_published(post: Post, secret: str, now: datetime) -> None:
    post.revoke()
    with pytest.raises(ConsentError):
        give_consent(secret, at=now)
    assert published() == []


def test_it_replaces_nothing_at_once(post: Post, secret: str, now: datetime) -> None:
    """Her mailbox has a certificate of another key: its holder can object for 48 hours."""
    other = post.authority.leaf(DORA, "p384", Usage.DUAL, key=make_key("p384"))
    publish(address=ADDRESS, parsed=parse_certificate(other.der), level="external", source="uploaded", actor="user:dora", at=now)
    _consent, (waiting,) = give_consent(secret, at=now)
    assert isinstance(waiting, Replacement)
    assert published() == ["uploaded"]


def test_a_refused_mail_names_nobody(post: Post, now: datetime) -> None:
    charlie = post.authority.leaf("charlie@shop.example.net", "p256", Usage.SIGN)
    refused = post.hand_in(post.signed(charlie))
    assert (refused.status, refused.reason, refused.address, bytes(refused.signer_der)) == (ConsentStatus.REFUSED, "other_sender", "", b"")
    assert not Notice.objects.exists()
    assert DirectoryEvent.objects.get(verb="contribution.refused").detail == {"reason": "other_sender"}
    expire_consents(at=now + timedelta(days=45))
    assert not Consent.objects.exists(), "after a while it is forgotten"


@pytest.mark.usefixtures("post")
def test_without_an_organisation_a_refusal_leaves_nothing(now: datetime) -> None:
    with pytest.raises(ContributionRefusedError, match="not_signed"):
        contribute(b"From: x@example.net\r\n\r\nx\r\n", organization=None, actor="intake", at=now)
    assert not Consent.objects.exists()


def test_revocation_has_to_be_known(authority: Authority, bank: Organization, now: datetime) -> None:
    trust(authority.root, at=now)
    assert Post(authority, bank, now).hand_in().reason == "unknown_revocation"


def test_an_organisation_hands_in_so_many_a_day(post: Post, shop: Organization, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_FOR_ORGANIZATION", 2)
    post.hand_in()
    post.hand_in(b"nothing")
    with pytest.raises(TooManyContributionsError):
        post.hand_in()
    post.hand_in(organization=shop)
    post.hand_in(at=now + timedelta(days=1, seconds=1))


def test_the_page_shows_what_would_be_published_and_asks(post: Post, secret: str, client: Client) -> None:
    page = client.get(f"/consent/{secret}/")
    assert page.status_code == HTTPStatus.OK
    text = page.content.decode()
    fingerprint = parse_certificate(post.dora.der).fingerprint
    assert fingerprint[:4] in text
    assert "Muster Bank AG" in text
    assert published() == [], "a GET changes nothing"
    done = client.post(f"/consent/{secret}/")
    assert "Your certificate is published" in done.content.decode()
    assert client.get(f"/consent/{secret}/").status_code == HTTPStatus.GONE


def test_the_page_takes_no_cross_site_yes(secret: str) -> None:
    assert Client(enforce_csrf_checks=True).post(f"/consent/{secret}/").status_code == HTTPStatus.FORBIDDEN
    assert published() == []


def test_one_click_says_no_without_cookies(secret: str, now: datetime) -> None:
    """RFC 8058; a GET only asks."""
    client = Client(enforce_csrf_checks=True)
    assert client.get(f"/consent/{secret}/never/").status_code == HTTPStatus.OK
    assert not Suppression.objects.exists()
    body = "List-Unsubscribe=One-Click"
    done = client.post(f"/consent/{secret}/never/", body, content_type="application/x-www-form-urlencoded")
    assert done.status_code == HTTPStatus.OK
    assert Suppression.objects.count() == 1
    with pytest.raises(ConsentError):
        find_consent(secret, at=now)


ENDS: dict[str, tuple[Callable[[str, Post, datetime], object], HTTPStatus]] = {
    "unknown": (lambda _secret, _post, _now: Consent.objects.all().delete(), HTTPStatus.NOT_FOUND),
    "over": (lambda _secret, _post, now: Consent.objects.update(expires_at=now - timedelta(days=1)), HTTPStatus.GONE),
    "answered": (lambda secret, _post, now: give_consent(secret, at=now), HTTPStatus.GONE),
    "refused": (lambda secret, _post, now: refuse_consent(secret, at=now), HTTPStatus.GONE),
    "revoked": (
        lambda _secret, post, _now: post.revoke(),
        HTTPStatus.CONFLICT,
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_link_that_is_over_says_so(end: str, post: Post, secret: str, client: Client, now: datetime) -> None:
    bring_about, status = ENDS[end]
    bring_about(secret, post, now)
    assert client.post(f"/consent/{secret}/").status_code == status
