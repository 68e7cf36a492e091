"""Which signed mails are taken as their senders' own, and what is taken out of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from mailer.contributed import MOST_OCTETS, Contribution, ContributionRefusedError, UndecidedError, read_contribution
from mailer.dkim import DomainSigner
from mailer.dkim_verifying import DnsFault, Texts
from tests.mailer.signed_mail import ENTITY, by_identifier, by_issuer, mail, signature, trust_of
from tests.pki import Authority, Holder, Usage, make_key

DORA, BOB, CHARLIE = "Dora@people.example.net", "bob@people.example.net", "charlie@shop.example.net"


def no_records(_name: str) -> list[bytes]:
    return []


def no_dns(_name: str) -> list[bytes]:
    raise DnsFault


@dataclass
class Scene:
    authority: Authority
    at: datetime

    def __post_init__(self) -> None:
        self.dora = self.authority.leaf(DORA, "p256", Usage.SIGN)
        self.card = self.authority.leaf(DORA, "rsa2048", Usage.ENCRYPT)
        self.bob = self.authority.leaf(BOB, "p256", Usage.DUAL)
        self.charlie = self.authority.leaf(CHARLIE, "p256", Usage.SIGN)

    def mail(
        self, *others: Holder, signer: Holder | None = None, sender: str = DORA, preference: bytes | None = None, second: Holder | None = None
    ) -> bytes:
        signer = signer or self.dora
        certificates = [signer.der, self.authority.issuer.der, *(other.der for other in others)]
        return mail(signature(signer, certificates, preference=preference, second=second), sender=sender)

    def read(self, message: bytes, *, texts: Texts = no_records, revoked: tuple[Holder, ...] = (), with_crls: bool = True) -> Contribution:
        trust = trust_of(self.authority, at=self.at, revoked=revoked, with_crls=with_crls)
        return read_contribution(message, trust=trust, texts=texts, at=self.at)

    def refusal(self, message: bytes, *, texts: Texts = no_records, revoked: tuple[Holder, ...] = (), with_crls: bool = True) -> str:
        with pytest.raises(ContributionRefusedError) as caught:
            self.read(message, texts=texts, revoked=revoked, with_crls=with_crls)
        return caught.value.reason


@pytest.fixture(scope="module")
def scene() -> Scene:
    authority = Authority("Contributed")
    return Scene(authority, datetime.now(UTC))


def test_it_takes_the_signers_own_certificate(scene: Scene) -> None:
    found = scene.read(scene.mail())
    assert found.address.address == DORA
    assert (found.signer.der, found.encryption, list(found.chain)) == (scene.dora.der, None, [scene.authority.issuer.der])


def test_it_takes_an_opaque_signature_too(scene: Scene) -> None:
    cms = signature(scene.dora, [scene.dora.der, scene.authority.issuer.der], opaque=True)
    assert scene.read(mail(cms, sender=DORA, entity=None)).signer.der == scene.dora.der


def test_it_takes_the_certificate_to_encrypt_to(scene: Scene) -> None:
    found = scene.read(scene.mail(scene.card, preference=by_identifier(scene.card)))
    assert [parsed.der for parsed in found.certificates] == [scene.dora.der, scene.card.der]


def test_other_certificates_in_a_mail_are_not_the_signers(scene: Scene) -> None:
    """Charlie puts Bob's certificate, and another one of Dora's, beside his own."""
    message = scene.mail(scene.bob, scene.card, signer=scene.charlie, sender=CHARLIE)
    assert [parsed.der for parsed in scene.read(message).certificates] == [scene.charlie.der]


def test_charlie_cannot_point_to_bobs_certificate(scene: Scene) -> None:
    message = scene.mail(scene.bob, signer=scene.charlie, sender=CHARLIE, preference=by_issuer(scene.bob))
    assert scene.refusal(message) == "encryption_other_sender"


def test_charlie_cannot_write_in_doras_name(scene: Scene) -> None:
    assert scene.refusal(scene.mail(signer=scene.charlie, sender=DORA)) == "other_sender"
    assert scene.refusal(scene.mail(signer=scene.charlie, sender=f"{CHARLIE}, {DORA}")) == "several_senders"


def test_two_signers_are_none(scene: Scene) -> None:
    other = scene.authority.leaf(DORA, "p256", Usage.SIGN, key=make_key("p256"))
    assert scene.refusal(scene.mail(other, second=other)) == "several_signers"


REFUSED: dict[str, tuple[Callable[[Scene], bytes], str]] = {
    "changed": (lambda scene: scene.mail().replace(b"between us", b"between me"), "content_changed"),
    "unsigned": (lambda _scene: b"From: dora@people.example.net\r\n\r\nHello\r\n", "not_signed"),
    "no mail": (lambda _scene: b"\x00" * 1000, "malformed"),
    "nothing": (lambda _scene: b"", "malformed"),
    "preference missing": (lambda scene: scene.mail(preference=by_issuer(scene.card)), "encryption_missing"),
    "preference signs only": (
        lambda scene: scene.mail(other := scene.authority.leaf(DORA, "p256", Usage.SIGN, key=make_key("p256")), preference=by_issuer(other)),
        "encryption_no_mail_usage",
    ),
    "odd preference": (lambda scene: scene.mail(preference=b"\x82\x00"), "encryption_missing"),
    "large": (lambda _scene: b"x" * (MOST_OCTETS + 1), "too_large"),
    "key on an odd curve": (
        lambda scene: scene.mail(other := scene.authority.leaf(DORA, "p521", Usage.ENCRYPT), preference=by_issuer(other)),
        "encryption_unsupported_key",
    ),
    "expired": (lambda scene: scene.mail(signer=scene.authority.leaf(DORA, "p256", Usage.SIGN, days=(-20, -10))), "not_valid_then"),
    "somebody's authority": (lambda _scene: _foreign(), "untrusted"),
}


def _foreign() -> bytes:
    return Scene(Authority("Unknown"), datetime.now(UTC)).mail()


@pytest.mark.parametrize("case", REFUSED)
def test_it_says_why_it_takes_a_mail_not(case: str, scene: Scene) -> None:
    make, reason = REFUSED[case]
    assert scene.refusal(make(scene)) == reason


def test_revocation_must_be_known_to_be_good(scene: Scene) -> None:
    message = scene.mail(scene.card, preference=by_identifier(scene.card))
    assert scene.refusal(message, with_crls=False) == "unknown_revocation"
    assert scene.refusal(message, revoked=(scene.dora,)) == "revoked"
    assert scene.refusal(message, revoked=(scene.card,)) == "encryption_revoked"


KEY = ed25519.Ed25519PrivateKey.generate()


def dkim(message: bytes, scene: Scene, domain: str = "people.example.net") -> tuple[bytes, Texts]:
    signer = DomainSigner(domain, "mail", KEY)
    name, text = signer.record
    return signer.sign(message, at=scene.at), lambda asked: [text.encode()] if asked == name else []


def test_dkim_counts_where_there_is_any(scene: Scene) -> None:
    signed, texts = dkim(scene.mail(), scene)
    assert scene.read(signed, texts=texts).address.address == DORA
    assert scene.refusal(signed, texts=no_records) == "dkim_fails"
    assert scene.refusal(signed.replace(b"Subject: Hello", b"Subject: Hallo"), texts=texts) == "dkim_fails"
    with pytest.raises(UndecidedError):
        scene.read(signed, texts=no_dns)


def test_dkim_of_others_says_nothing(scene: Scene) -> None:
    signed, _texts = dkim(scene.mail(), scene, "lists.example.org")
    assert scene.read(signed, texts=no_dns).address.address == DORA


def test_the_dns_is_asked_for_nobody_whose_mail_is_not_verified(scene: Scene) -> None:
    """Else anybody could have us ask for any name."""
    signed, _texts = dkim(scene.mail(signer=scene.charlie, sender=DORA), scene)
    assert scene.refusal(signed, texts=no_dns) == "other_sender"


def test_nothing_of_the_content_is_kept(scene: Scene) -> None:
    assert ENTITY.splitlines()[-1] not in repr(scene.read(scene.mail())).encode()
