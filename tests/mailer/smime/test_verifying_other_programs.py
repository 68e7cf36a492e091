"""What Charlie writes so that other programs show his text or another sender beside a signature that holds. None is called verified."""

import base64
import re
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

import pytest
from asn1crypto import cms as asn1_cms

from mailer.smime import der, oids, parts
from mailer.smime.encoding import base64_lines
from mailer.smime.mail import MAX_LAYERS
from mailer.smime.outcomes import Outcome
from mailer.smime.sign import SignatureForm
from tests.mailer.smime.conftest import BANK, CHARLIE, signer_of
from tests.mailer.smime.test_opening_foreign import compressed
from tests.mailer.smime.test_verifying_attacks import ENTITY, EVIL, HEAD, OPAQUE, Scene
from tests.pki import Authority

FROM_CHARLIE = HEAD.replace(b"Example Bank <bills@bank.example.com>", CHARLIE.encode())
SAYS_BANK = b"From: bills@bank.example.com\r\n"
MESSAGE = SAYS_BANK + b"Subject: Your code\r\n\r\nSend it to Charlie.\r\n"


@pytest.fixture
def scene(authority: Authority, at: datetime) -> Scene:
    return Scene(authority, at)


def with_second_signer(scene: Scene) -> bytes:
    """The bank's mail with Charlie's signature of the same text beside the bank's: signatures do not bind each other."""
    signed, own = scene.signed(), scene.signed(signer=scene.charlie)
    banks, charlies = (asn1_cms.ContentInfo.load(_cms(mail))["content"] for mail in (signed, own))
    for name in ("digest_algorithms", "certificates", "signer_infos"):
        present = {item.dump() for item in banks[name]}
        for item in charlies[name]:
            if item.dump() not in present:
                banks[name].append(item)
    names = ("version", "digest_algorithms", "encap_content_info", "certificates", "signer_infos")
    both = asn1_cms.ContentInfo({"content_type": "signed_data", "content": asn1_cms.SignedData({name: banks[name] for name in names})}).dump()
    return signed.replace(_body_of_signature(signed), base64_lines(both).strip())


def _cms(signed: bytes) -> bytes:
    wrapped = parts.wrapped(signed)
    assert wrapped
    return wrapped.cms


def _body_of_signature(signed: bytes) -> bytes:
    return signed.rpartition(b"\r\n\r\n")[2].partition(b"\r\n--")[0].strip()


@pytest.mark.parametrize(
    "head",
    [HEAD, b"Reply-To: charlie@example.org\r\n" + HEAD, b"Sender: charlie@example.org\r\n" + HEAD, FROM_CHARLIE],
    ids=["as it was", "reply", "sender", "from"],
)
def test_it_adds_no_signers_addresses_to_anothers(scene: Scene, head: bytes) -> None:
    reading = scene.read(head + with_second_signer(scene))
    assert [signature.outcome for layer in reading.layers if layer.verification for signature in layer.verification.signatures] == [
        Outcome.VERIFIED
    ] * 2
    assert reading.outcome in {Outcome.OTHER_SENDER, Outcome.FOREIGN_REPLY_TO, Outcome.FOREIGN_SENDER_FIELD}


def test_it_believes_two_signatures_of_one_signer(scene: Scene, authority: Authority) -> None:
    """The control: by an old and a new algorithm, say."""
    scene.charlie = Scene(authority, scene.at).bank
    assert scene.read(HEAD + with_second_signer(scene)).verified


@pytest.mark.parametrize(
    "name",
    [
        b"=?utf-8*en?q?bills=40bank.example.com?=",
        b"=?utf-8?b?YmlsbHNAYmFuay5leGFtcGxlLmNvb?=",
        b"=?utf-8?b?YmlsbHNAYmFuay5leGFtcGxlLmNvbQ==A?=",
        b"=?x-foo?q?bills=40bank.example.com?=",
        b"=?utf-7?q?bills+AEA-bank.example.com?=",
        b"=?utf-8?q?bills=40bank.example.com=?=",
        b"=?utf-8?q?=ff=fe?= =?utf-8?q?bills=40bank.example.com?=",
        b"=?utf-8?q?bills=40bank.example.com=ff?=",
        b"=?utf-8?q?bills?= =?utf-8?q?=40bank.example.com?=",
        b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fbills=3D40bank.example.com=3F=3D?=",
        b"=?utf-8?q?Bank=0A?=",
        b'"bills @bank.example.com"',
        b"bills@bank",
        b"Bank @",
        b'"bills @ bank.example.com"',
        '"bills\uff20bank.example.com"'.encode(),
        '"bills\ufe6bbank.example.com"'.encode(),
        '"bills@bank\u3002example\u3002com"'.encode(),
        '"bills@bank\uff61example\u2024com"'.encode(),
        '"bills@\ufe0fbank.example.com"'.encode(),
        *(f"Bank{hidden}".encode() for hidden in "\u034f\u115f\u1160\u3164\uffa0\u2800\u2028\u2029\ue000\U000e0041\u0378\x85\x1d"),
        b"Bank \xff",
    ],
    ids=range(34),
)
def test_it_believes_no_name_that_shows_another_address(scene: Scene, name: bytes) -> None:
    message = b"From: " + name + b" <charlie@example.org>\r\nMIME-Version: 1.0\r\n" + scene.signed(signer=scene.charlie)
    assert scene.read(message).outcome is Outcome.MISLEADING_NAME


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?Caf=C3=A9?= =?utf-8?b?IEJlcmxpbg==?=",
        "=?ISO-8859-1?Q?M=FCller?=",
        '"Max @ Acme"',
        "Bank \u2764\ufe0f",
        "Jean\u00a0Dupont",
        "C. = D. Ltd?",
    ],
)
def test_it_lets_honest_names_be(scene: Scene, name: str) -> None:
    message = f"From: {name} <charlie@example.org>\r\nMIME-Version: 1.0\r\n".encode() + scene.signed(signer=scene.charlie)
    assert scene.read(message).verified


@pytest.mark.parametrize(
    ("sender", "holder"),
    [
        ("straße@bank.example.com", "strasse@bank.example.com"),
        ("bill\u017f@bank.example.com", BANK),
        ("\u212aim@bank.example.com", "kim@bank.example.com"),
    ],
)
def test_it_takes_no_mailbox_for_another_that_folds_to_it(scene: Scene, authority: Authority, sender: str, holder: str) -> None:
    scene.bank = signer_of(authority, email=holder)
    assert scene.read(f"From: {sender}\r\n".encode() + scene.signed()).outcome is Outcome.OTHER_SENDER
    assert scene.read(f"From: {holder.upper()}\r\n".encode() + scene.signed()).verified


@pytest.mark.parametrize(
    ("inside", "outcome"),
    [
        (b"Content-Type: message/rfc822\r\n\r\n" + MESSAGE, Outcome.HEADERS_DIFFER),
        (b"Content-Type: message/global\r\n\r\n" + MESSAGE, Outcome.HEADERS_DIFFER),
        (b"Content-Type: Message/RFC822; x=y\r\n\r\n\r\n" + MESSAGE, Outcome.HEADERS_DIFFER),
        (b"Content-Type: message/(a)rfc822\r\n\r\n" + MESSAGE, Outcome.SENDER_UNCLEAR),
        (b"Content-Type: message/rfc822 (a)\r\n\r\n" + MESSAGE, Outcome.SENDER_UNCLEAR),
        (
            b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + MESSAGE.replace(b"From", b"Fr=6Fm"),
            Outcome.SENDER_UNCLEAR,
        ),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64_lines(MESSAGE), Outcome.SENDER_UNCLEAR),
        (SAYS_BANK + b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nx\r\n", Outcome.HEADERS_DIFFER),
        (b"X-A: b\r\n \r\n" + SAYS_BANK + ENTITY, Outcome.SENDER_UNCLEAR),
        (b"Reply-To: bills@bank.example.com\r\n" + ENTITY, Outcome.HEADERS_DIFFER),
        (b"Reply-To: charlie@example.org\r\n" + ENTITY, Outcome.HEADERS_DIFFER),
        (b"Sender: bills@bank.example.com\r\n" + ENTITY, Outcome.HEADERS_DIFFER),
        (b"Subject: a\r\nSubject: Your code\r\n" + ENTITY, Outcome.HEADERS_DIFFER),
        (b"Subject: Another\r\n" + ENTITY, Outcome.HEADERS_DIFFER),
        (b"Subject: Another\r\nFrom: charlie@example.org\r\nContent-Type: text/plain; hp=cipher\r\n\r\nx\r\n", Outcome.HEADERS_DIFFER),
    ],
    ids=range(15),
)
def test_it_finds_another_header_inside(scene: Scene, inside: bytes, outcome: Outcome) -> None:
    assert scene.read(FROM_CHARLIE + scene.signed(inside, signer=scene.charlie)).outcome is outcome


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        (b"Subject: Your debts\r\nContent-Type: text/plain; hp=clear", Outcome.HEADERS_DIFFER),
        (b"Subject: Your debts\r\nHP-Outer: Subject: A letter\r\nContent-Type: text/plain; hp=cipher", Outcome.HEADERS_DIFFER),
        (b"Subject: Your debts\r\nHP-Outer: Subject: Your code\r\nContent-Type: text/plain; hp=cipher", Outcome.VERIFIED),
        (b"Subject: Your debts\r\nContent-Type: text/plain; hp=cipher", Outcome.VERIFIED),
        (b"Subject: Your code\r\nContent-Type: text/plain; hp=clear", Outcome.VERIFIED),
    ],
    ids=range(5),
)
def test_it_finds_another_subject_put_on_what_was_encrypted_again(scene: Scene, fields: bytes, outcome: Outcome) -> None:
    """Anyone can encrypt to Alice what the bank signed, under a Subject of his own."""
    signed = scene.signed(SAYS_BANK + fields + b"\r\n\r\nx\r\n")
    assert scene.read(HEAD + scene.sealed(signed)).outcome is outcome


@pytest.mark.parametrize("form", [SignatureForm.OPAQUE, None], ids=["signed again", "compressed"])
def test_it_finds_another_header_below_the_signature_that_counts(scene: Scene, form: SignatureForm | None) -> None:
    """RFC 9788 puts the fields into what is left when every layer is off."""
    below = SAYS_BANK + ENTITY
    layer = scene.signed(below, signer=scene.charlie, form=form) if form else OPAQUE % b"compressed-data" + base64_lines(compressed(below))
    assert scene.read(FROM_CHARLIE + scene.signed(layer, signer=scene.charlie, form=SignatureForm.OPAQUE)).outcome is Outcome.HEADERS_DIFFER


def test_it_finds_another_header_between_the_envelope_and_the_signature(scene: Scene) -> None:
    assert scene.read(FROM_CHARLIE + scene.sealed(SAYS_BANK + scene.signed(signer=scene.charlie))).outcome is Outcome.HEADERS_DIFFER


@pytest.mark.parametrize("count", [MAX_LAYERS - 1, MAX_LAYERS])
def test_it_believes_nothing_whose_end_it_has_not_reached(scene: Scene, count: int) -> None:
    entity = SAYS_BANK + ENTITY
    for _ in range(count):
        entity = OPAQUE % b"compressed-data" + base64_lines(compressed(entity))
    outcome = scene.read(FROM_CHARLIE + scene.signed(entity, signer=scene.charlie, form=SignatureForm.OPAQUE)).outcome
    assert outcome is (Outcome.HEADERS_DIFFER if count < MAX_LAYERS else Outcome.TOO_LARGE)


def _typed(scene: Scene, content_type: bytes, tag: int) -> bytes:
    """The bank's own signature over a content of another type or another form."""
    signed = asn1_cms.ContentInfo.load(parts.cms_of(scene.signed(form=SignatureForm.OPAQUE)))["content"]
    info = signed["signer_infos"][0]
    digest = der.sequence(oids.MESSAGE_DIGEST, der.tlv(der.SET, der.octet_string(sha256(ENTITY).digest())))
    attributes = der.set_of([der.sequence(oids.CONTENT_TYPE, der.tlv(der.SET, content_type)), digest])
    value = scene.bank._value(sha256(attributes).digest())
    signer = der.sequence(
        info["version"].dump(),
        info["sid"].chosen.dump(),
        info["digest_algorithm"].dump(),
        b"\xa0" + attributes[1:],
        info["signature_algorithm"].dump(),
        der.octet_string(value),
    )
    content = der.sequence(content_type, der.explicit(0, der.tlv(tag, ENTITY)))
    certificates = der.tlv(0xA0, *(certificate.chosen.dump() for certificate in signed["certificates"]))
    whole = der.sequence(der.integer(3), signed["digest_algorithms"].dump(), content, certificates, der.tlv(der.SET, signer))
    return OPAQUE % b"signed-data" + base64_lines(der.sequence(oids.SIGNED_DATA, der.explicit(0, whole)))


RECEIPT, TIME_STAMP = der.oid("1.2.840.113549.1.9.16.1.1"), der.oid("1.2.840.113549.1.9.16.1.4")


@pytest.mark.parametrize(
    ("content_type", "tag", "outcome"),
    [
        (oids.DATA, 0x04, Outcome.VERIFIED),
        (oids.DATA, 0x30, Outcome.MALFORMED),
        (oids.DATA, 0x0C, Outcome.MALFORMED),
        (RECEIPT, 0x04, Outcome.UNSUPPORTED),
        (TIME_STAMP, 0x30, Outcome.UNSUPPORTED),
    ],
    ids=["control", "sequence", "text", "receipt", "time stamp"],
)
def test_it_takes_nothing_for_mail_that_was_signed_as_something_else(scene: Scene, content_type: bytes, tag: int, outcome: Outcome) -> None:
    reading = scene.read(HEAD + _typed(scene, content_type, tag))
    assert reading.outcome is outcome


Change = Callable[[bytes, bytes], bytes]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        # RFC 2046 section 5.1.1: a line need only begin with the delimiter, and some programs go by that.
        (lambda mail, mark: mail.replace(b"\r\n--" + mark, b"\r\n--" + mark + b"x\r\n" + EVIL + b"\r\n--" + mark, 1), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b"\r\n--" + mark, b"\r\nhi\r--" + mark + b"\r" + EVIL + b"\r\n--" + mark, 1), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b'boundary="' + mark + b'"', b'boundary="' + mark + b"\"; boundary*=utf-8''evil"), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b'boundary="' + mark + b'"', b"boundary*=\"utf-8''" + mark + b'"'), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b'boundary="' + mark + b'"', b'boundary*0="' + mark + b'"'), Outcome.MALFORMED),
        (lambda mail, _: mail.replace(b"multipart/signed;", b'multipart/signed (") ; boundary=evil ; (");'), Outcome.NOT_SIGNED),
        (lambda mail, _: mail.replace(b'boundary="', b'x=y(") ; boundary=evil ; ("); boundary="'), Outcome.MALFORMED),
        # One boundary that programs read as two: escapes, what is no token, other octets, blanks at the end.
        (lambda mail, mark: mail.replace(mark, mark[:9] + b"\\" + mark[9:]), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b'"' + mark + b'"', mark + b"=x").replace(b"--" + mark, b"--" + mark + b"=x"), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(mark, mark + b"\xe9"), Outcome.MALFORMED),
        (lambda mail, mark: mail.replace(b'"' + mark, b'"' + mark + b" "), Outcome.MALFORMED),
        (lambda mail, _: mail.replace(b"boundary=", b'x="a\\\\"; boundary=evil; y="; boundary='), Outcome.MALFORMED),
        (lambda mail, _: b"X-A: b\r\n \r\nMoney for Charlie\r\n" + mail, Outcome.SENDER_UNCLEAR),
        (lambda mail, _: b" From: charlie@example.org\r\n" + mail, Outcome.SENDER_UNCLEAR),
        (lambda mail, _: b"From : charlie@example.org\r\n" + mail, Outcome.SEVERAL_SENDERS),
        (lambda mail, _: b"From\xc2\xa0: charlie@example.org\r\n" + mail, Outcome.SENDER_UNCLEAR),
        (lambda mail, _: b"Mail-Reply-To: charlie@example.org\r\n" + mail, Outcome.FOREIGN_REPLY_TO),
        (lambda mail, _: mail.replace(b"\r\n\r\n", b"; x=" + b"y" * 9000 + b"\r\n\r\n", 1), Outcome.TOO_LARGE),
    ],
    ids=range(18),
)
def test_it_believes_nothing_that_is_cut_in_another_way_elsewhere(scene: Scene, change: Change, outcome: Outcome) -> None:
    signed = scene.signed()
    boundary = re.search(rb'boundary="([^"]+)"', signed)
    assert boundary
    assert scene.read(change(HEAD + signed, boundary[1])).outcome is outcome


def test_it_passes_over_a_preamble_as_every_program_does(scene: Scene) -> None:
    head, _, body = scene.signed().partition(b"\r\n\r\n")
    reading = scene.read(HEAD + head + b"\r\n\r\nThis is a cryptographically signed message in MIME format.\r\n\r\n" + body)
    assert reading.verified
    assert b"cryptographically" not in reading.content


def test_it_counts_nothing_it_cannot_decode_as_text(scene: Scene) -> None:
    """An opaque signature whose base64 goes on behind its end."""
    mail = scene.signed(form=SignatureForm.OPAQUE)
    assert scene.read(HEAD + mail + base64.b64encode(b"=" + EVIL)).outcome is Outcome.MALFORMED
