"""The defaults in the real Thunderbird: both icons, and the body as it was sent. Part of `make soak`."""

from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from itertools import product
from pathlib import Path

import pytest

from mailer.smime.choice import ContentCipher
from mailer.smime.encrypt import encrypt
from mailer.smime.errors import NotForThisKey
from mailer.smime.mail import read_mail
from mailer.smime.message import seal
from mailer.smime.open import open_envelope
from mailer.smime.recipients import Recipient
from mailer.smime.sign import SignatureForm
from mailer.smime.trust import Revocation, Trust
from tests.interop import nss, thunderbird
from tests.interop.cast import ALICE, BANK, CHARLIE, Cast
from tests.interop.combinations import DEFAULT, LEAF_ONLY, Combination, combinations
from tests.interop.engine import need
from tests.interop.layers import Enveloped, wrapped
from tests.interop.own_authority import OwnAuthority
from tests.interop.sealed import FULL, NEUTRAL, TEXT, Sealer, large
from tests.interop.support import outcome
from tests.interop.thunderbird import Shown, Thunderbird
from tests.interop.writing import THUNDERBIRD_ENVELOPES, Envelope
from tests.pki import key_of

pytestmark = pytest.mark.soak
DETACHED = SignatureForm.DETACHED
ENCRYPTED, SIGNED = "message-encrypted-ok.svg", "message-signed-ok.svg"


@pytest.fixture(scope="module")
def started(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Thunderbird]:
    need("Thunderbird", thunderbird.REQUIREMENT)
    need("NSS", nss.REQUIREMENT)
    authority = cast.authority
    return lambda: Thunderbird(tmp_path_factory.mktemp("thunderbird"), "alice", cast.holders, authority.roots_pem, authority.issuer.pem)


@pytest.fixture(scope="module")
def alices(started: Callable[[], Thunderbird]) -> Iterator[Thunderbird]:
    with closing(started()) as program:
        yield program


@pytest.fixture(scope="module")
def banks(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thunderbird]:
    """The sender's, with the intermediate certificate that its owner was given with the key."""
    need("Thunderbird", thunderbird.REQUIREMENT)
    authority = cast.authority
    folder = tmp_path_factory.mktemp("thunderbird")
    with closing(Thunderbird(folder, "bank", cast.holders, authority.roots_pem, authority.issuer.pem)) as program:
        yield program


def shown(program: Thunderbird, sealer: Sealer, combination: Combination, *, patience: float = 30) -> Shown:
    return program.shows(sealer(combination).mails[combination.receivers[0]], patience=patience)


def as_shown(text: str) -> list[str]:
    """Lines without what a window may add or leave out at their ends."""
    return [line.strip() for line in text.strip().splitlines()]


def is_good(seen: Shown) -> bool:
    return (seen.encryption, seen.signature, seen.encrypted_icon, seen.signed_icon) == (0, 0, ENCRYPTED, SIGNED)


@pytest.mark.parametrize(("signer", "recipient"), list(product(["rsa", "p256"], ["rsa", "p256", "p384"])))
def test_it_shows_both_icons_and_the_body_as_sent(alices: Thunderbird, sealer: Sealer, signer: str, recipient: str) -> None:
    seen = shown(alices, sealer, Combination(signer, DETACHED, recipient, DEFAULT))
    assert is_good(seen), seen
    assert as_shown(seen.text) == as_shown(TEXT.text)
    assert seen.subject.endswith(TEXT.subject)


@pytest.mark.parametrize("recipient", ["rsa", "p256"])
def test_it_shows_the_subject_in_the_body_where_a_neutral_one_stands_outside(alices: Thunderbird, sealer: Sealer, recipient: str) -> None:
    """It knows nothing of protected header fields in S/MIME, so the legacy display is all that tells the subject."""
    seen = shown(alices, sealer, Combination("rsa", DETACHED, recipient, DEFAULT, "neutral subject"))
    assert is_good(seen), seen
    assert seen.subject.endswith(NEUTRAL)
    assert as_shown(seen.text) == as_shown(f"Subject: {TEXT.subject}\n\n{TEXT.text}")


@pytest.mark.parametrize("recipient", ["rsa", "p256"])
def test_it_shows_html_with_its_image_and_attachments(alices: Thunderbird, sealer: Sealer, recipient: str) -> None:
    seen = shown(alices, sealer, Combination("rsa", DETACHED, recipient, DEFAULT, "html, images, files"))
    assert is_good(seen), seen
    assert seen.text.strip() == "Liebe Alice, im Anhang der Auszug.  Grüße"
    assert seen.images == [1]
    assert seen.attachments == [attachment.filename for attachment in FULL.attachments if not attachment.content_id]
    assert seen.subject.endswith(FULL.subject)


def test_it_shows_a_large_mail(alices: Thunderbird, sealer: Sealer) -> None:
    seen = shown(alices, sealer, Combination("rsa", DETACHED, "rsa", DEFAULT, "12 MB"))
    assert is_good(seen), seen
    assert seen.attachments == [attachment.filename for attachment in large().attachments]


def test_it_shows_what_was_changed_as_not_signed_well(alices: Thunderbird, cast: Cast) -> None:
    """That the icon means something."""
    entity = b"Content-Type: text/plain; charset=utf-8\r\n\r\nThe balance is 12.50 EUR.\r\n"
    changed = cast.signer("bank-rsa").sign(entity, at=cast.at).replace(b"12.50", b"13.50")
    envelope = encrypt(changed, [Recipient.from_certificate(cast.holders["alice-rsa"].der)])
    head = f"From: {BANK}\r\nTo: {ALICE}\r\nSubject: Changed\r\nMessage-ID: <changed@bank.example.com>\r\nMIME-Version: 1.0\r\n".encode()
    seen = alices.shows(head + wrapped(Enveloped(envelope)))
    assert (seen.encryption, seen.encrypted_icon) == (0, ENCRYPTED)
    assert seen.signature > 0
    assert seen.signed_icon != SIGNED


def test_it_does_not_trust_a_leaf_without_its_intermediates(started: Callable[[], Thunderbird], sealer: Sealer) -> None:
    """In a Thunderbird that has not seen them in another mail."""
    with closing(started()) as novice:
        seen = shown(novice, sealer, Combination("rsa", DETACHED, "rsa", DEFAULT, LEAF_ONLY))
    assert seen.encryption == 0
    assert seen.signature > 0
    assert seen.signed_icon != SIGNED


@pytest.mark.parametrize("recipient", ["rsa", "p256"])
def test_it_shows_an_empty_page_for_gcm_which_is_why_that_is_no_default(alices: Thunderbird, sealer: Sealer, recipient: str) -> None:
    seen = shown(alices, sealer, Combination("rsa", DETACHED, recipient, ContentCipher.AES_256_GCM), patience=5)
    assert (seen.text.strip(), seen.encrypted_icon, seen.signed_icon) == ("", "", "")


@pytest.mark.parametrize("also", ["ocsp answer", "time stamp and ocsp answer"])
def test_it_does_not_mind_what_stands_beside_the_signature(alices: Thunderbird, sealer: Sealer, also: str) -> None:
    seen = shown(alices, sealer, Combination("rsa", DETACHED, "rsa", DEFAULT, also))
    assert is_good(seen), seen
    assert as_shown(seen.text) == as_shown(TEXT.text)


@pytest.mark.parametrize("kind", ["p384", "rsa4096"])
def test_it_trusts_what_our_own_authority_certifies(cast: Cast, tmp_path: Path, kind: str) -> None:
    need("Thunderbird", thunderbird.REQUIREMENT)
    own = OwnAuthority(kind, cast)
    recipient = Recipient.from_certificate(cast.holders["alice-rsa"].der)
    with closing(Thunderbird(tmp_path, "alice", cast.holders, own.root.pem, own.smime.pem)) as program:
        for number, key in enumerate(("rsa3072", "p256", "p384")):
            message_id = f"<own-{number}@bank.example.com>"
            mail = seal(
                TEXT, sender=BANK, recipient=ALICE, signer=own.signer(key_of(key, BANK)), recipients=[recipient], message_id=message_id, at=cast.at
            )
            seen = program.shows(mail)
            assert is_good(seen), (key, seen)


@pytest.mark.parametrize(("own", "theirs"), [("bank-rsa", "alice-rsa"), ("bank-p256", "alice-p256"), ("bank-p384", "alice-p384")])
def test_we_read_what_it_writes(banks: Thunderbird, cast: Cast, own: str, theirs: str) -> None:
    mail = banks.writes(BANK, cast.holders[own], ALICE, cast.holders[theirs], subject="Über 12,50 €", text="Grüße an Alice.")
    trust = Trust([cast.authority.root.der], revocation=Revocation.IF_GIVEN)
    reading = read_mail(mail, [cast.opener(theirs)], trust=trust, at=cast.at)
    assert reading.verified, reading
    assert "Grüße an Alice." in message_from_bytes(reading.content, policy=default).get_content()
    assert not read_mail(mail, [cast.charlie], trust=trust, at=cast.at).verified
    assert not read_mail(mail.replace(BANK.encode(), CHARLIE.encode()), [cast.opener(theirs)], trust=trust, at=cast.at).verified


@pytest.fixture(scope="module")
def its_own_nss(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> nss.Nss:
    need("Thunderbird", thunderbird.REQUIREMENT)
    authority = cast.authority
    return nss.Nss(tmp_path_factory.mktemp("nss"), cast.holders, authority.roots_pem, authority.issuer.pem, libraries=thunderbird.PROGRAM.parent)


@pytest.mark.parametrize("written", [pytest.param(one, id=one.what) for one in THUNDERBIRD_ENVELOPES])
def test_we_open_what_its_own_nss_writes(its_own_nss: nss.Nss, cast: Cast, written: Envelope) -> None:
    cms = written.write(its_own_nss, b"The balance is 12.50 EUR.\r\n")
    assert open_envelope(cms, [cast.opener(written.holder)]) == b"The balance is 12.50 EUR.\r\n"
    with pytest.raises(NotForThisKey):
        open_envelope(cms, [cast.charlie])


def test_its_own_nss_reads_every_combination_in_cbc(its_own_nss: nss.Nss, sealer: Sealer) -> None:
    tried = [each for each in combinations() if each.also != LEAF_ONLY]
    found = {each: outcome(its_own_nss, sealer(each)) for each in tried}
    expected = {each: "not opened" if each.choice.content.authenticates else "ok" for each in tried}
    assert {each: found[each] for each in tried if found[each] != expected[each]} == {}
