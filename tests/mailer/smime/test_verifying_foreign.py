"""Signatures as other programs write them, and what is recognised without counting: old digests, short keys, DSA."""

import subprocess
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from mailer.smime import der, foreign, oids, signed_data
from mailer.smime.certificates import cut
from mailer.smime.outcomes import Outcome
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import Verification, verify_cms
from tests.mailer.smime.conftest import ALICE, BANK, CHARLIE
from tests.pki import Authority, Holder, Usage, make_key

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"
OLD = ("-provider", "legacy", "-provider", "default")


@dataclass(frozen=True)
class Signing:
    """`openssl cms -sign` in a folder of its own."""

    folder: Path
    authority: Authority

    def sign(self, *arguments: str, holders: list[Holder], options: list[str] | None = None, content: bytes = ENTITY) -> bytes:
        named: list[str] = []
        for number, holder in enumerate(holders):
            (self.folder / f"{number}.crt").write_bytes(holder.pem)
            (self.folder / f"{number}.key").write_bytes(holder.key_pem)
            named += ["-signer", f"{number}.crt", "-inkey", f"{number}.key", *(options or [])]
        (self.folder / "ca.crt").write_bytes(self.authority.issuer.pem)
        command = ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-certfile", "ca.crt", *arguments, *named]
        return subprocess.run(command, cwd=self.folder, input=content, capture_output=True, check=True, timeout=30).stdout

    def judge(self, cms: bytes, content: bytes | None = ENTITY) -> Verification:
        return verify_cms(
            cms, content=content, at=self.authority.at, trust=Trust([self.authority.root.der], revocation=Revocation.IF_GIVEN), sender=BANK
        )


@pytest.fixture
def signing(tmp_path: Path, authority: Authority) -> Signing:
    return Signing(tmp_path, authority)


@pytest.mark.parametrize("salt", ["0", "20", "32", "-1", "-2", "-3"])
@pytest.mark.parametrize("mask", ["sha256", "sha1", "sha512"])
def test_it_verifies_pss_of_any_salt(signing: Signing, authority: Authority, salt: str, mask: str) -> None:
    bank = authority.leaf(BANK, "rsa2048", Usage.SIGN)
    options = ["-keyopt", "rsa_padding_mode:pss", "-keyopt", f"rsa_pss_saltlen:{salt}", "-keyopt", f"rsa_mgf1_md:{mask}"]
    assert signing.judge(signing.sign(holders=[bank], options=options)).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "p521"])
@pytest.mark.parametrize(
    "form", [[], ["-nodetach"], ["-noattr"], ["-nodetach", "-noattr"], ["-keyid"], ["-stream", "-nodetach"], ["-cades"]], ids=" ".join
)
def test_it_verifies_each_form(signing: Signing, authority: Authority, kind: str, form: list[str]) -> None:
    bank = authority.leaf(BANK, kind, Usage.SIGN)
    found = signing.judge(signing.sign(*form, holders=[bank]), None if "-nodetach" in form else ENTITY)
    assert (found.outcome, found.content, found.certificate) == (Outcome.VERIFIED, ENTITY, bank.der)
    assert ("-noattr" in form) is (found.signatures[0].claimed_at is None)


@pytest.mark.parametrize("digest", ["sha224", "sha384", "sha512"])
def test_it_verifies_each_digest(signing: Signing, authority: Authority, digest: str) -> None:
    assert signing.judge(signing.sign("-md", digest, holders=[authority.leaf(BANK, "p256", Usage.SIGN)])).verified


@pytest.mark.parametrize("digest", ["sha1", "md5"])
@pytest.mark.parametrize("form", [[], ["-noattr"]], ids=["attributes", "bare"])
def test_it_recognises_old_digests_without_believing_them(signing: Signing, authority: Authority, digest: str, form: list[str]) -> None:
    cms = signing.sign(*OLD, "-md", digest, *form, holders=[authority.leaf(BANK, "rsa2048", Usage.SIGN)])
    assert signing.judge(cms).outcome is Outcome.LEGACY_ALGORITHM
    assert signing.judge(cms, ENTITY.replace(b"4711", b"0815")).outcome in {Outcome.CONTENT_CHANGED, Outcome.SIGNATURE_WRONG}


def test_it_does_not_believe_a_short_key(signing: Signing, authority: Authority) -> None:
    bank = authority.leaf(BANK, usage=Usage.SIGN, key=make_key("rsa1024"))
    assert signing.judge(signing.sign(holders=[bank])).outcome is Outcome.LEGACY_ALGORITHM


def test_it_recognises_dsa(signing: Signing, tmp_path: Path) -> None:
    script = (
        "openssl dsaparam -out p.pem 2048 && openssl req -x509 -newkey dsa:p.pem -nodes -keyout 0.key -out 0.crt -days 3650 -subj /CN=x "
        f"-addext subjectAltName=email:{BANK} && openssl cms -sign -binary -outform DER -signer 0.crt -inkey 0.key -md sha256 -out s.der -in in"
    )
    (tmp_path / "in").write_bytes(ENTITY)
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert signing.judge((tmp_path / "s.der").read_bytes()).outcome is Outcome.LEGACY_ALGORITHM


def test_it_judges_every_signer(signing: Signing, authority: Authority, other_authority: Authority) -> None:
    bank, again = authority.leaf(BANK, "p256", Usage.SIGN), authority.leaf(BANK, "rsa2048", Usage.SIGN)
    charlie = other_authority.leaf(CHARLIE, "p384", Usage.SIGN)
    both = signing.judge(signing.sign(holders=[bank, again]))
    assert both.verified
    assert len(both.signatures) == 2
    assert signing.judge(signing.sign(holders=[bank, charlie])).outcome in {Outcome.UNTRUSTED, Outcome.OTHER_SENDER}


def test_it_needs_the_signers_certificate(signing: Signing, authority: Authority) -> None:
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    cms = signing.sign("-nocerts", holders=[bank])
    assert signing.judge(cms).outcome is Outcome.NO_SIGNER_CERTIFICATE
    known = Trust([authority.root.der], intermediates=[bank.der, authority.issuer.der], revocation=Revocation.IF_GIVEN)
    assert verify_cms(cms, content=ENTITY, at=authority.at, trust=known, sender=BANK).verified


def test_it_takes_no_two_contents_for_one_signature(signing: Signing, authority: Authority) -> None:
    """An opaque content inside a multipart/signed: programs would show the one and check the other."""
    cms = signing.sign("-nodetach", holders=[authority.leaf(BANK, "p256", Usage.SIGN)])
    assert signing.judge(cms, ENTITY).outcome is Outcome.MALFORMED
    assert signing.judge(signing.sign(holders=[authority.leaf(BANK, "p256", Usage.SIGN)]), None).outcome is Outcome.MALFORMED


def test_it_finds_no_signature_in_certificates_alone(signing: Signing, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.issuer.pem)
    command = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "ca.crt", "-outform", "DER"]
    cms = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=30).stdout
    assert signing.judge(cms).outcome is Outcome.NOT_SIGNED


def resigned(holder: Holder, attributes: dict[bytes, list[bytes]], *, content_type: bytes = oids.DATA, chain: list[bytes]) -> bytes:
    """A SignedData over any attributes, with a P-256 key."""
    encoded = [der.sequence(name, der.set_of(values)) for name, values in attributes.items()]
    return _cms(holder, encoded, content_type, chain)


def _cms(holder: Holder, attributes: list[bytes], content_type: bytes, chain: list[bytes], *, in_order: bool = True) -> bytes:
    assert isinstance(holder.key, ec.EllipticCurvePrivateKey)
    sent = sorted(attributes) if in_order else attributes
    value = holder.key.sign(der.tlv(der.SET, *sent), ec.ECDSA(hashes.SHA256()))
    return signed_cms(holder, sent, value, content_type, chain)


def signed_cms(holder: Holder, attributes: list[bytes], value: bytes, content_type: bytes, chain: list[bytes]) -> bytes:
    info = der.sequence(
        der.integer(1), cut(holder.der).issuer_and_serial, oids.SHA256, der.tlv(0xA0, *attributes), oids.ECDSA_WITH_SHA256, der.octet_string(value)
    )
    certificates = der.tlv(0xA0, holder.der, *chain)
    data = der.sequence(der.integer(1), der.set_of([oids.SHA256]), der.sequence(content_type), certificates, der.set_of([info]))
    return der.sequence(oids.SIGNED_DATA, der.explicit(0, data))


def basic(content: bytes = ENTITY) -> dict[bytes, list[bytes]]:
    return {oids.CONTENT_TYPE: [oids.DATA], oids.MESSAGE_DIGEST: [der.octet_string(sha256(content).digest())]}


SHA256_AND_ECDSA = der.sequence(oids.SHA256, der.tlv(0xA1, oids.ECDSA_WITH_SHA256_NAME))
SHA1_AND_ECDSA = der.sequence(der.sequence(foreign.SHA1), der.tlv(0xA1, oids.ECDSA_WITH_SHA256_NAME))
SHA256_AND_RSA = der.sequence(oids.SHA256, der.tlv(0xA1, oids.SHA256_WITH_RSA_NAME))


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, Outcome.VERIFIED),
        ({foreign.ALGORITHM_PROTECTION: [SHA256_AND_ECDSA]}, Outcome.VERIFIED),
        ({foreign.ALGORITHM_PROTECTION: [SHA1_AND_ECDSA]}, Outcome.ATTRIBUTES_WRONG),
        ({foreign.ALGORITHM_PROTECTION: [SHA256_AND_RSA]}, Outcome.ATTRIBUTES_WRONG),
        ({foreign.ALGORITHM_PROTECTION: [SHA256_AND_ECDSA, SHA256_AND_RSA]}, Outcome.ATTRIBUTES_WRONG),
        ({foreign.ALGORITHM_PROTECTION: [der.NULL]}, Outcome.ATTRIBUTES_WRONG),
        ({oids.CONTENT_TYPE: [oids.SIGNED_DATA]}, Outcome.ATTRIBUTES_WRONG),
        ({oids.CONTENT_TYPE: []}, Outcome.ATTRIBUTES_WRONG),
        ({oids.MESSAGE_DIGEST: [der.octet_string(bytes(32))]}, Outcome.CONTENT_CHANGED),
        ({oids.MESSAGE_DIGEST: [der.octet_string(bytes(32)), der.octet_string(sha256(ENTITY).digest())]}, Outcome.ATTRIBUTES_WRONG),
        ({oids.SIGNING_TIME: [der.tlv(der.UTC_TIME, b"not a time")]}, Outcome.VERIFIED),
    ],
    ids=range(11),
)
def test_it_checks_the_signed_attributes(signing: Signing, authority: Authority, more: dict[bytes, list[bytes]], outcome: Outcome) -> None:
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    assert signing.judge(resigned(bank, basic() | more, chain=authority.chain)).outcome is outcome


@pytest.mark.parametrize("version", [1, 2])
def test_it_checks_the_signing_certificate(signing: Signing, authority: Authority, version: int) -> None:
    bank, other = authority.leaf(BANK, "p256", Usage.SIGN), authority.leaf(BANK, "p256", Usage.SIGN)
    name = foreign.SIGNING_CERTIFICATE if version == 1 else oids.SIGNING_CERTIFICATE_V2
    digest = sha1 if version == 1 else sha256
    for holder, outcome in ((bank, Outcome.VERIFIED), (other, Outcome.ATTRIBUTES_WRONG)):
        identified = der.sequence(der.sequence(der.sequence(der.octet_string(digest(holder.der).digest()))))
        assert signing.judge(resigned(bank, basic() | {name: [identified]}, chain=authority.chain)).outcome is outcome


def test_it_verifies_attributes_that_were_not_sorted(signing: Signing, authority: Authority) -> None:
    """Some programs sign the order they send. The attributes are the same."""
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    attributes = sorted((der.sequence(name, der.set_of(values)) for name, values in basic().items()), reverse=True)
    assert signing.judge(_cms(bank, attributes, oids.DATA, authority.chain, in_order=False)).verified


def test_it_refuses_an_attribute_twice(signing: Signing, authority: Authority) -> None:
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    attributes = [der.sequence(name, der.set_of(values)) for name, values in basic().items()]
    twice = _cms(bank, [*attributes, attributes[0]], oids.DATA, authority.chain)
    assert signing.judge(twice).outcome is Outcome.MALFORMED


def test_it_does_not_take_signed_attributes_for_a_message(signing: Signing, authority: Authority) -> None:
    """Charlie shows the attributes that the bank signed as if they were the content (the signature fits both)."""
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    signer = signed_data.read(signing.sign(holders=[bank])).signers[0]
    attributes = der.set_of(signer.attributes or [])
    info = der.sequence(der.integer(1), cut(bank.der).issuer_and_serial, oids.SHA256, signer.algorithm, der.octet_string(signer.value))
    data = der.sequence(
        der.integer(1), der.set_of([oids.SHA256]), der.sequence(oids.DATA), der.tlv(0xA0, bank.der, *authority.chain), der.set_of([info])
    )
    forged = der.sequence(oids.SIGNED_DATA, der.explicit(0, data))
    assert signing.judge(forged, attributes).outcome is Outcome.ATTRIBUTES_WRONG


def test_it_does_not_take_another_certificate_of_the_same_name(signing: Signing, authority: Authority) -> None:
    """Charlie puts a certificate of his own, with the bank's issuer and serial number, beside the bank's signature."""
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    forger = Authority("Mail")
    forged = forger.leaf(BANK, key=make_key("p256"))
    genuine = signing.sign(holders=[bank])
    swapped = genuine.replace(bank.der, forged.der) if len(forged.der) == len(bank.der) else b""
    if swapped:
        assert not signing.judge(swapped).verified
    signer = signed_data.read(genuine).signers[0]
    data = signed_cms(forged, signer.attributes or [], signer.value, oids.DATA, authority.chain)
    assert not signing.judge(data).verified


def test_it_reads_line_ends_of_files(signing: Signing, authority: Authority) -> None:
    """What was signed with CRLF and lies in a file with LF."""
    bank = authority.leaf(BANK, "p256", Usage.SIGN)
    found = signing.judge(signing.sign(holders=[bank]), ENTITY.replace(b"\r\n", b"\n"))
    assert (found.outcome, found.content) == (Outcome.VERIFIED, ENTITY)


def test_it_tells_ed25519(signing: Signing, authority: Authority) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    leaf = authority.leaf(ALICE, key=key)  # type: ignore[arg-type]  # no kind of key that the house makes
    attributes = [der.sequence(name, der.set_of(values)) for name, values in basic().items()]
    info = der.sequence(
        der.integer(1), cut(leaf.der).issuer_and_serial, oids.SHA256, der.tlv(0xA0, *sorted(attributes)),
        der.sequence(der.oid("1.3.101.112")), der.octet_string(key.sign(der.set_of(attributes))),
    )  # fmt: skip
    data = der.sequence(
        der.integer(1), der.set_of([oids.SHA256]), der.sequence(oids.DATA), der.tlv(0xA0, leaf.der, *authority.chain), der.set_of([info])
    )
    assert signing.judge(der.sequence(oids.SIGNED_DATA, der.explicit(0, data))).outcome is Outcome.OTHER_SENDER
