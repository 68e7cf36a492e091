"""An OCSP answer and a time stamp travel inside the signature, and other programs find and check them there."""

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, ocsp, parser

from mailer.smime import signed_data
from mailer.smime.entity import Content
from mailer.smime.errors import MalformedCms, TooLarge
from mailer.smime.message import seal
from mailer.smime.recipients import Recipient
from mailer.smime.sign import SignatureForm, SignaturePadding, Signer
from mailer.smime.signing_templates import MAX_EVIDENCE
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import Outcome, verify_cms
from tests.mailer.smime.conftest import ALICE, BANK, CHARLIE, OpenSsl
from tests.mailer.smime.evidence import Evidence
from tests.pki import Authority, Holder, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nHello\r\n"
WAYS = [("rsa2048", SignaturePadding.PKCS1), ("rsa2048", SignaturePadding.PSS), ("p256", SignaturePadding.PKCS1), ("p384", SignaturePadding.PKCS1)]
TOKEN = "id-smime-aa-timeStampToken"


@pytest.fixture
def evidence(tmp_path: Path, authority: Authority) -> Evidence:
    folder = tmp_path / "evidence"
    folder.mkdir()
    return Evidence(folder, authority)


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Holder:
    return authority.leaf(BANK, "p256", Usage.SIGN)


def signer_of(holder: Holder, authority: Authority, padding: SignaturePadding = SignaturePadding.PKCS1) -> Signer:
    return Signer(holder.key, holder.der, authority.chain, padding=padding)


def signature_value(signature: bytes) -> bytes:
    """By an independent parser."""
    value = cms.ContentInfo.load(signature)["content"]["signer_infos"][0]["signature"].native
    assert isinstance(value, bytes)
    return value


def answer_in(values: bytes) -> bytes:
    """The OCSPResponse around the one answer in RevocationValues (RFC 5126 section 6.3.4), by an independent parser."""
    basic = values
    for _level in ("RevocationValues", "ocspVals [1]", "SEQUENCE OF"):
        basic = parser.parse(basic, strict=True)[4]
    response = {"response_type": "basic_ocsp_response", "response": ocsp.BasicOCSPResponse.load(basic, strict=True)}
    return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": response}).dump())


@pytest.mark.parametrize("form", SignatureForm)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_both_are_found_and_checked_by_openssl(
    authority: Authority, evidence: Evidence, openssl: OpenSsl, way: tuple[str, SignaturePadding], form: SignatureForm
) -> None:
    kind, padding = way
    holder = authority.leaf(BANK, kind, Usage.SIGN)
    signer, answer = signer_of(holder, authority, padding), evidence.ocsp(holder)
    entity = signer.sign(ENTITY, at=authority.at, form=form, ocsp=answer, stamp=evidence.stamp)
    assert openssl.verify(entity, authority.roots_pem) == ENTITY

    signature = signer.signature(ENTITY, at=authority.at, form=form, ocsp=answer, stamp=evidence.stamp)
    found = answer_in(evidence.found(signature, after="id-smime-aa-ets-revocationValues", tag="SEQUENCE"))
    assert found == answer
    assert evidence.status(found, holder) == "good"
    evidence.check_stamp(evidence.found(signature, after=TOKEN, tag="SEQUENCE"), signature_value(signature))


def test_the_stamp_is_over_the_value_that_openssl_cuts_out(authority: Authority, evidence: Evidence) -> None:
    """Its certificates and those of the stamp being EC, the last rsaEncryption is the signature's own algorithm."""
    signer = signer_of(authority.leaf(BANK, "rsa2048", Usage.SIGN), authority)
    signature = signer.signature(ENTITY, at=authority.at, stamp=evidence.stamp)
    value = evidence.found(signature, after="rsaEncryption", tag="OCTET STRING", nth=-1)
    evidence.check_stamp(evidence.found(signature, after=TOKEN, tag="SEQUENCE"), value)


def test_a_stamp_on_charlies_signature_says_nothing_of_the_banks(authority: Authority, evidence: Evidence, bank: Holder) -> None:
    charlie = authority.leaf(CHARLIE, "p256", Usage.SIGN)
    signatures = [signer_of(holder, authority).signature(ENTITY, at=authority.at, stamp=evidence.stamp) for holder in (bank, charlie)]
    tokens = [evidence.found(signature, after=TOKEN, tag="SEQUENCE") for signature in signatures]
    evidence.check_stamp(tokens[1], signature_value(signatures[1]))
    with pytest.raises(subprocess.CalledProcessError):
        evidence.check_stamp(tokens[1], signature_value(signatures[0]))


@pytest.mark.parametrize("given", [(False, False), (False, True), (True, False), (True, True)], ids=str)
@pytest.mark.parametrize("form", SignatureForm)
def test_nothing_but_unsigned_attributes_holds_them(
    authority: Authority, evidence: Evidence, bank: Holder, given: tuple[bool, bool], form: SignatureForm
) -> None:
    with_ocsp, with_stamp = given
    signature = signer_of(bank, authority).signature(
        ENTITY, at=authority.at, form=form, ocsp=evidence.ocsp(bank) if with_ocsp else None, stamp=evidence.stamp if with_stamp else None
    )
    signed = cms.ContentInfo.load(signature, strict=True)["content"]
    assert signed["version"].native == "v1"
    assert signed["crls"].native is None
    unsigned = signed["signer_infos"][0]["unsigned_attrs"]
    assert (0 if unsigned.native is None else len(unsigned)) == with_ocsp + with_stamp
    assert (signed["encap_content_info"]["content"].native is not None) is (form is SignatureForm.OPAQUE)
    again = subprocess.run(["openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER"], input=signature, capture_output=True, check=True)
    assert again.stdout == signature


@pytest.mark.parametrize("damage", [b"", b"\x04\x00", b"\x30\x80\x00\x00", b"\x30\x01", b"\x30\x00\x00"], ids=bytes.hex)
def test_what_could_break_out_of_its_place_is_refused(authority: Authority, bank: Holder, damage: bytes) -> None:
    signer = signer_of(bank, authority)
    with pytest.raises(MalformedCms):
        signer.sign(ENTITY, at=authority.at, ocsp=damage)
    with pytest.raises(MalformedCms):
        signer.sign(ENTITY, at=authority.at, stamp=lambda _: damage)


def test_what_is_too_large_is_refused(authority: Authority, bank: Holder) -> None:
    large = b"\x30\x83\x01\x00\x00" + bytes(MAX_EVIDENCE)
    for given in ({"ocsp": large}, {"stamp": lambda _: large}):
        with pytest.raises(TooLarge):
            signer_of(bank, authority).sign(ENTITY, at=authority.at, **given)


def test_a_sealed_message_carries_them(authority: Authority, evidence: Evidence, openssl: OpenSsl, bank: Holder, at: datetime) -> None:
    alice, answer = authority.leaf(ALICE, "p256", Usage.ENCRYPT), evidence.ocsp(bank)
    message = seal(
        Content("Statement", "Text"),
        sender=BANK,
        recipient=ALICE,
        signer=signer_of(bank, authority),
        recipients=[Recipient.from_certificate(alice.der)],
        message_id="<statement-1@bank.example.com>",
        at=at,
        form=SignatureForm.OPAQUE,
        ocsp=answer,
        stamp=evidence.stamp,
    )
    opened = openssl.decrypt(message, alice)
    assert b"smime-type=signed-data" in opened
    assert openssl.verify(opened, authority.roots_pem).endswith(b"Text\r\n")


def test_an_answer_that_answers_nothing_is_refused(authority: Authority, bank: Holder) -> None:
    """RFC 6960 section 2.3: tryLater."""
    with pytest.raises(MalformedCms):
        signer_of(bank, authority).sign(ENTITY, at=authority.at, ocsp=b"\x30\x03\x0a\x01\x03")


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("form", SignatureForm)
def test_the_reader_finds_the_answer(authority: Authority, bank: Holder, evidence: Evidence, form: SignatureForm, *, revoked: bool) -> None:
    answer = evidence.ocsp(bank, revoked=revoked)
    signature = signer_of(bank, authority).signature(ENTITY, at=authority.at, form=form, ocsp=answer, stamp=evidence.stamp)
    assert signed_data.read(signature).ocsp == [answer]
    assert evidence.status(answer, bank) == ("revoked" if revoked else "good")


@pytest.mark.parametrize("revocation", Revocation)
@pytest.mark.parametrize("embedded", [True, False])
def test_an_answer_counts_though_the_certificate_names_no_responder(
    authority: Authority, bank: Holder, evidence: Evidence, at: datetime, revocation: Revocation, *, embedded: bool
) -> None:
    """Whether it stands in the signature or is handed in."""

    def outcome(answer: bytes | None) -> Outcome:
        signature = signer_of(bank, authority).signature(ENTITY, at=at, ocsp=answer if embedded else None)
        given = [answer] if answer and not embedded else []
        trust = Trust([authority.root.der], crls=[evidence.crl()], ocsp=given, revocation=revocation)
        # OpenSSL's answers begin now, which is after the session did.
        return verify_cms(signature, content=ENTITY, at=at + timedelta(hours=1), trust=trust, sender=BANK).outcome

    without = Outcome.UNKNOWN_REVOCATION if revocation is Revocation.REQUIRE else Outcome.VERIFIED
    charlie = authority.leaf(CHARLIE, "p256", Usage.SIGN)
    assert outcome(None) is without
    assert outcome(evidence.ocsp(bank)) is Outcome.VERIFIED
    assert outcome(evidence.ocsp(bank, revoked=True)) is Outcome.REVOKED
    assert outcome(evidence.ocsp(charlie, revoked=True)) is without


def test_a_damaged_answer_beside_a_signature_does_not_harm_it(authority: Authority, bank: Holder, evidence: Evidence) -> None:
    signature = signer_of(bank, authority).signature(ENTITY, at=authority.at, ocsp=evidence.ocsp(bank))
    values = evidence.found(signature, after="id-smime-aa-ets-revocationValues", tag="SEQUENCE")
    damaged = signature.replace(values, values[:4] + b"\xa3" + values[5:])
    assert damaged != signature
    found = verify_cms(damaged, content=ENTITY, at=authority.at, trust=Trust([authority.root.der], revocation=Revocation.IF_GIVEN), sender=BANK)
    assert found.outcome is Outcome.VERIFIED
