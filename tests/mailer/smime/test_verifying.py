"""Verdicts on signed entities: ours, OpenSSL's, changed, borrowed and hostile ones."""

import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smime.sign import Signer
from mailer.smime.verify import Outcome, Verification, verify
from tests.mailer.smime.conftest import BANK, CHARLIE, SIGNER_KINDS, signer_of
from tests.pki import Authority, Holder, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


def signed_by(holder: Holder, authority: Authority, at: datetime) -> bytes:
    return Signer(holder.key, holder.der, authority.chain).sign(ENTITY, at=at)


def verdict(entity: bytes, authority: Authority, at: datetime, sender: str | None = BANK) -> Verification:
    return verify(entity, roots=[authority.root.der], at=at, sender=sender)


@pytest.mark.parametrize("kind", SIGNER_KINDS)
def test_it_verifies_the_bank(authority: Authority, at: datetime, kind: str) -> None:
    holder = authority.leaf(BANK, kind, Usage.SIGN)
    assert verdict(signed_by(holder, authority, at), authority, at)[:3] == (Outcome.VERIFIED, ENTITY, holder.der)
    assert verdict(signed_by(holder, authority, at), authority, at, sender="Bills@Bank.Example.com").verified


def test_it_does_not_take_charlie_for_the_bank(authority: Authority, at: datetime) -> None:
    entity = signed_by(authority.leaf(CHARLIE, "p256", Usage.SIGN), authority, at)
    assert verdict(entity, authority, at).outcome is Outcome.OTHER_SENDER
    assert verdict(entity, authority, at, sender=CHARLIE).verified


def test_it_does_not_trust_another_root(authority: Authority, other_authority: Authority, at: datetime) -> None:
    entity = signed_by(other_authority.leaf(BANK, "p256", Usage.SIGN), other_authority, at)
    assert verdict(entity, authority, at).outcome is Outcome.UNTRUSTED
    assert verify(entity, roots=[], at=at, sender=BANK).outcome is Outcome.UNTRUSTED


def test_it_needs_the_intermediate(authority: Authority, at: datetime) -> None:
    holder = authority.leaf(BANK, "p256", Usage.SIGN)
    assert verdict(Signer(holder.key, holder.der).sign(ENTITY, at=at), authority, at).outcome is Outcome.UNTRUSTED


def test_it_judges_by_the_time_it_is_given(authority: Authority, at: datetime) -> None:
    entity = signed_by(authority.leaf(BANK, "p256", Usage.SIGN, days=(-10, 10)), authority, at)
    assert verdict(entity, authority, at).verified
    for days in (-11, 11):
        assert verdict(entity, authority, at + timedelta(days=days)).outcome is Outcome.NOT_VALID_THEN


def test_it_takes_no_certificate_of_another_purpose(authority: Authority, at: datetime) -> None:
    encrypting = authority.leaf(BANK, "p256", Usage.ENCRYPT)
    serving = authority.leaf(BANK, "p256", Usage.SIGN, purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    for holder in (encrypting, serving):
        assert verdict(signed_by(holder, authority, at), authority, at).outcome is Outcome.WRONG_USAGE


def test_it_takes_no_leaf_for_an_authority(authority: Authority, at: datetime) -> None:
    """Charlie certifies 'the bank' with his own end-entity certificate."""
    charlie = authority.leaf(CHARLIE, "p256", Usage.SIGN)
    forger = Authority("Forged")
    forger.issuer = charlie
    forged = forger.leaf(BANK, "p256", Usage.SIGN)
    entity = Signer(forged.key, forged.der, [charlie.der, *authority.chain]).sign(ENTITY, at=at)
    assert verdict(entity, authority, at).outcome is Outcome.UNTRUSTED


def test_it_sees_changed_content(authority: Authority, at: datetime) -> None:
    entity = signer_of(authority).sign(ENTITY, at=at)
    assert verdict(entity.replace(b"4711", b"0815"), authority, at).outcome is Outcome.CONTENT_CHANGED


def test_it_sees_a_borrowed_signature(authority: Authority, at: datetime) -> None:
    """The signature of another message by the same signer does not fit."""
    signer = signer_of(authority)
    first, second = (signer.sign(entity, at=at) for entity in (ENTITY, ENTITY.replace(b"4711", b"0815")))
    boundaries = [entity.split(b'boundary="')[1].split(b'"')[0] for entity in (first, second)]
    own, other = (entity.rsplit(b"--" + boundary + b"\r\n", 1) for entity, boundary in zip((first, second), boundaries, strict=True))
    borrowed = own[0] + b"--" + boundaries[0] + b"\r\n" + other[1].replace(boundaries[1], boundaries[0])
    assert verdict(borrowed, authority, at).outcome is Outcome.CONTENT_CHANGED


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_sees_a_changed_attribute(authority: Authority, at: datetime, kind: str) -> None:
    """Another signing time under the same signature."""
    from_signer = signer_of(authority, kind)
    real, other = from_signer.signature(ENTITY, at=at), from_signer.signature(ENTITY, at=at + timedelta(seconds=1))
    stamp, other_stamp = (f"{time:%y%m%d%H%M%SZ}".encode() for time in (at, at + timedelta(seconds=1)))
    assert real.count(stamp) == other.count(other_stamp) == 1
    assert verdict(multipart(real.replace(stamp, other_stamp)), authority, at).outcome is Outcome.SIGNATURE_WRONG
    assert verdict(multipart(real), authority, at).verified


def multipart(signature: bytes, content: bytes = ENTITY) -> bytes:
    """A multipart/signed as a simple foreign program would write it."""
    return b"".join((
        b"Content-Type: multipart/signed; micalg=sha-256; protocol=application/x-pkcs7-signature; boundary=abc\r\n\r\n",
        b"This is an S/MIME signed message\r\n--abc\r\n", content,
        b"\r\n--abc\r\nContent-Type: application/x-pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: binary\r\n\r\n", signature,
        b"\r\n--abc--\r\n",
    ))  # fmt: skip


@pytest.mark.parametrize("options", [["-md", md, *bare] for md in ("sha256", "sha384", "sha512") for bare in ([], ["-noattr"])], ids=" ".join)
@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
def test_it_verifies_what_openssl_signed(authority: Authority, at: datetime, tmp_path: Path, kind: str, options: list[str]) -> None:
    holder = authority.leaf(BANK, kind, Usage.SIGN)
    for name, data in (("bank.crt", holder.pem), ("bank.key", holder.key_pem), ("ca.crt", authority.issuer.pem), ("in", ENTITY)):
        (tmp_path / name).write_bytes(data)
    command = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-in",
        "in",
        "-signer",
        "bank.crt",
        "-inkey",
        "bank.key",
        "-certfile",
        "ca.crt",
        *options,
    ]
    written = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=30).stdout
    head, _, body = written.partition(b"\n\n")
    entity = head.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert verdict(entity, authority, at).outcome is Outcome.VERIFIED


HEAD = b"Content-Type: multipart/signed; boundary=abc\r\n\r\n"
PART = b"--abc\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"


@pytest.mark.parametrize(
    ("entity", "outcome"),
    [
        (ENTITY, Outcome.NOT_SIGNED),
        (b"", Outcome.MALFORMED),
        (b"x" * 300_000, Outcome.TOO_LARGE),
        (b"Content-Type: multipart/signed\r\n\r\n", Outcome.MALFORMED),
        (HEAD, Outcome.MALFORMED),
        (HEAD + b"--abc\r\n\r\nx\r\n--abc--\r\n", Outcome.MALFORMED),
        (HEAD + b"--abc\r\n\r\nx\r\n--abc\r\nContent-Type: text/plain\r\n\r\n\r\n--abc--\r\n", Outcome.MALFORMED),
        (HEAD + b"--abc\r\n\r\nx\r\n" + PART % b"!!!!" + b"--abc--\r\n", Outcome.MALFORMED),
        (HEAD + b"--abc\r\n\r\nx\r\n" + PART % b"MAA=" + b"--abc--\r\n", Outcome.MALFORMED),
        (HEAD + b"--abc\r\n\r\nx\r\n" + PART % b"MAA=" + PART % b"MAA=" + b"--abc--\r\n", Outcome.MALFORMED),
        (HEAD + b"--abcd\r\n\r\nx\r\n" + PART % b"MAA=" + b"--abc--\r\n", Outcome.MALFORMED),
    ],
    ids=range(11),
)
def test_it_names_what_is_no_signature(authority: Authority, at: datetime, entity: bytes, outcome: Outcome) -> None:
    assert verdict(entity, authority, at).outcome is outcome


@pytest.fixture(scope="module")
def signed(authority: Authority) -> bytes:
    return multipart(signer_of(authority).signature(ENTITY, at=authority.at))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_it_never_verifies_a_changed_message_nor_fails_without_a_name(authority: Authority, signed: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(signed.index(ENTITY), len(signed)))
    end = data.draw(st.integers(start, min(len(signed), start + 8)))
    mutated = signed[:start] + data.draw(st.binary(max_size=8)) + signed[end:]
    judged = verdict(mutated, authority, authority.at)
    assert not judged.verified or judged.content == ENTITY
