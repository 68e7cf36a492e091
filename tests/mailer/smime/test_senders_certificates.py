"""Of all that a CMS carries only the signer's certificate, the one it wants to be encrypted to, and what leads up from these."""

from collections.abc import Callable
from datetime import datetime

import pytest

from mailer.smime import isolated, senders_certificates
from mailer.smime.errors import EncryptionRefused, MalformedCms
from mailer.smime.outcomes import Outcome
from mailer.smime.senders_certificates import SendersCertificates
from tests.mailer.signed_mail import by_identifier, by_issuer, by_recipient, mail, signature, trust_of
from tests.pki import Authority, Holder, Usage, make_key

DORA, BOB = "Dora@people.example.net", "bob@people.example.net"


class Scene:
    """Dora signs with one key and is to be encrypted to with another, as many cards have it."""

    def __init__(self, authority: Authority, at: datetime) -> None:
        self.authority, self.at = authority, at
        self.signer = authority.leaf(DORA, "p256", Usage.SIGN)
        self.encryption = authority.leaf(DORA, "p384", Usage.ENCRYPT, key=make_key("p384"))

    def read(self, *others: bytes, preference: bytes | None, revoked: tuple[Holder, ...] = (), with_crls: bool = True) -> SendersCertificates:
        certificates = [self.signer.der, self.authority.issuer.der, *others]
        message = mail(signature(self.signer, certificates, preference=preference), sender=f"Dora <{DORA}>")
        trust = trust_of(self.authority, at=self.at, revoked=revoked, with_crls=with_crls)
        reading = isolated.read_mail(message, trust=trust_of(self.authority, at=self.at), at=self.at)
        assert reading.verified, reading.outcome
        here = _tried(lambda: senders_certificates.certificates_of(message, self.signer.der, trust=trust, at=self.at))
        there = _tried(lambda: isolated.certificates_of(message, self.signer.der, trust=trust, at=self.at))
        assert repr(here) == repr(there), "in the other process as in this one"
        if isinstance(there, Exception):
            raise there
        return there


def _tried(read: Callable[[], SendersCertificates]) -> SendersCertificates | Exception:
    try:
        return read()
    except (EncryptionRefused, MalformedCms) as error:
        return error


@pytest.fixture
def scene(authority: Authority, at: datetime) -> Scene:
    return Scene(authority, at)


def test_without_a_preference_there_is_the_signers_alone(scene: Scene) -> None:
    found = scene.read(scene.encryption.der, preference=None)
    assert found == SendersCertificates(DORA, b"", (scene.authority.issuer.der,))


@pytest.mark.parametrize("preference", [by_issuer, by_recipient, by_identifier])
def test_it_finds_the_certificate_to_encrypt_to(scene: Scene, preference: Callable[[Holder], bytes]) -> None:
    found = scene.read(scene.encryption.der, preference=preference(scene.encryption))
    assert found == SendersCertificates(DORA, scene.encryption.der, (scene.authority.issuer.der,))


@pytest.mark.parametrize("preference", [by_issuer, by_identifier])
def test_a_preference_for_the_signers_own_is_none(scene: Scene, preference: Callable[[Holder], bytes]) -> None:
    assert scene.read(preference=preference(scene.signer)).encryption == b""


def test_it_must_be_there(scene: Scene) -> None:
    with pytest.raises(EncryptionRefused) as caught:
        scene.read(preference=by_issuer(scene.encryption))
    assert caught.value.outcome is None


def test_it_must_be_the_same_mailboxs(scene: Scene) -> None:
    """Charlie's trick: to be encrypted to by Bob's name, or to have Bob's mail encrypted to himself."""
    bob = scene.authority.leaf(BOB, "p384", Usage.ENCRYPT)
    with pytest.raises(EncryptionRefused) as caught:
        scene.read(bob.der, preference=by_issuer(bob))
    assert caught.value.outcome is Outcome.OTHER_SENDER


def test_it_must_be_verified_as_the_signers_is(scene: Scene, other_authority: Authority) -> None:
    foreign = other_authority.leaf(DORA, "p384", Usage.ENCRYPT, key=make_key("p384"))
    old = scene.authority.leaf(DORA, "p384", Usage.ENCRYPT, key=make_key("p384"), days=(-20, -10))
    cases = [
        (foreign, {}, Outcome.UNTRUSTED),
        (old, {}, Outcome.NOT_VALID_THEN),
        (scene.encryption, {"revoked": (scene.encryption,)}, Outcome.REVOKED),
        (scene.encryption, {"with_crls": False}, Outcome.UNKNOWN_REVOCATION),
    ]
    for holder, how, outcome in cases:
        with pytest.raises(EncryptionRefused) as caught:
            scene.read(holder.der, preference=by_issuer(holder), **how)  # type: ignore[arg-type]
        assert caught.value.outcome is outcome


def test_of_the_authorities_only_those_above_are_kept(scene: Scene, other_authority: Authority) -> None:
    """Roots are the verifier's own affair, and so many others may be there as there is room for."""
    others = [Authority(f"Other {number}").issuer.der for number in range(6)]
    found = scene.read(scene.authority.root.der, other_authority.issuer.der, other_authority.root.der, *others, preference=None)
    assert found.authorities == (scene.authority.issuer.der,)


def test_a_preference_that_cannot_be_read_is_an_error(scene: Scene) -> None:
    for preference in (b"\x82\x00", b"\xa0\x00", b"\xa1\x02\x05\x00", b"\x30\x00", b"\x85\x01\x00"):
        with pytest.raises((MalformedCms, EncryptionRefused)):
            scene.read(preference=preference)
