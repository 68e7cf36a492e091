"""The bytes of an envelope, read by an independent parser, and who may stand in one."""

import subprocess
from typing import Any

import pytest
from asn1crypto import cms, core

from mailer.smime import der, oids
from mailer.smime.capabilities import OURS
from mailer.smime.choice import Choice, ContentCipher, KeyManagement
from mailer.smime.encrypt import MAX_RECIPIENTS, encrypt
from mailer.smime.errors import KeyRefused, MixedRecipients
from mailer.smime.recipients import Recipient, apart
from tests.mailer.smime.conftest import ALICE, BOB, RECIPIENT_KINDS
from tests.pki import Authority, Usage, make_key


def recipient(authority: Authority, kind: str, email: str = ALICE, *, choice: Choice | None = None) -> Recipient:
    return Recipient.from_certificate(authority.leaf(email, kind, Usage.ENCRYPT).der, choice=choice)


@pytest.mark.parametrize("kind", RECIPIENT_KINDS)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100, 127, 128, 255, 256, 65_535, 65_536, 300_000])
def test_it_is_der_at_every_length(authority: Authority, kind: str, size: int) -> None:
    envelope = encrypt(bytes(size), [recipient(authority, kind)])
    info = cms.ContentInfo.load(envelope, strict=True)
    content = info["content"]["encrypted_content_info"]
    assert info.native["content_type"] == "enveloped_data"
    assert content["content_encryption_algorithm"]["algorithm"].native == "aes256_cbc"
    assert len(content["encrypted_content"].native) == size - size % 16 + 16
    assert info.dump(force=True) == envelope


@pytest.mark.parametrize("cipher", [ContentCipher.AES_128_GCM, ContentCipher.AES_256_GCM])
@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 255, 256, 65_535, 65_536, 300_000])
def test_it_is_what_openssl_would_encode_with_gcm(authority: Authority, cipher: ContentCipher, size: int) -> None:
    envelope = encrypt(bytes(size), [recipient(authority, "p256", choice=Choice(KeyManagement.ECDH, cipher))])
    again = subprocess.run(["openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER"], input=envelope, capture_output=True, check=True)
    assert again.stdout == envelope
    content = authenticated(envelope)
    assert len(content["content_info"]["encrypted_content"].native) == size
    assert len(content["mac"].native) == 16


@pytest.mark.parametrize(("cipher", "name"), [(ContentCipher.AES_128_GCM, "6"), (ContentCipher.AES_256_GCM, "46")])
def test_it_tells_nonce_and_icv_length_of_gcm(authority: Authority, cipher: ContentCipher, name: str) -> None:
    """RFC 5084 section 3.2; the length would be 12 if it were left out, and OpenSSL asks for it."""
    content = authenticated(encrypt(b"x", [recipient(authority, "p256", choice=Choice(KeyManagement.ECDH, cipher))]))
    algorithm = content["content_info"]["content_encryption_algorithm"]
    nonce, icv = core.Sequence.load(algorithm["parameters"].dump()).native.values()
    assert content["version"].native == "v0"
    assert (algorithm["algorithm"].dotted, len(nonce), icv) == (f"2.16.840.1.101.3.4.1.{name}", 12, 16)


class AuthEnvelopedData(core.Sequence):  # type: ignore[misc]
    """RFC 5083 section 2.1, which the parser does not bring."""

    _fields = [
        ("version", cms.CMSVersion),
        ("recipient_infos", cms.RecipientInfos),
        ("content_info", cms.EncryptedContentInfo),
        ("mac", core.OctetString),
    ]


class _ContentInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("name", core.ObjectIdentifier), ("content", AuthEnvelopedData, {"explicit": 0})]


def authenticated(envelope: bytes) -> Any:
    whole = _ContentInfo.load(envelope, strict=True)
    assert whole["name"].native == "1.2.840.113549.1.9.16.1.23"
    return whole["content"]


def test_it_tells_the_parameters_of_oaep(authority: Authority) -> None:
    wish = Choice(KeyManagement.RSA_OAEP, ContentCipher.AES_256_CBC)
    content = cms.ContentInfo.load(encrypt(b"x", [recipient(authority, "rsa2048", choice=wish)]))["content"]
    told = content["recipient_infos"][0].chosen["key_encryption_algorithm"].native
    assert told["algorithm"] == "rsaes_oaep"
    assert told["parameters"]["hash_algorithm"]["algorithm"] == "sha256"
    assert told["parameters"]["mask_gen_algorithm"] == {"algorithm": "mgf1", "parameters": {"algorithm": "sha256", "parameters": None}}


@pytest.mark.parametrize(
    ("cipher", "wrap", "octets"), [(ContentCipher.AES_128_CBC, "aes128_wrap", 24), (ContentCipher.AES_256_CBC, "aes256_wrap", 40)]
)
def test_it_wraps_by_a_key_as_long_as_the_contents(authority: Authority, cipher: ContentCipher, wrap: str, octets: int) -> None:
    content = cms.ContentInfo.load(encrypt(b"x", [recipient(authority, "p384", choice=Choice(KeyManagement.ECDH, cipher))]))["content"]
    agreed = content["recipient_infos"][0].chosen
    assert agreed["key_encryption_algorithm"]["algorithm"].dotted == "1.3.132.1.11.1"
    assert cms.KeyEncryptionAlgorithm.load(agreed["key_encryption_algorithm"]["parameters"].dump()).native == {"algorithm": wrap, "parameters": None}
    assert len(agreed["recipient_encrypted_keys"][0]["encrypted_key"].native) == octets


@pytest.mark.parametrize(("kind", "version", "infos"), [("rsa2048", "v0", "ktri"), ("p256", "v2", "kari"), ("p384", "v2", "kari")])
def test_it_names_recipients_by_issuer_and_serial_in_der_order(authority: Authority, kind: str, version: str, infos: str) -> None:
    holders = [authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, BOB)]
    content = cms.ContentInfo.load(encrypt(b"x", [Recipient.from_certificate(holder.der) for holder in holders]))["content"]
    assert content["version"].native == version
    found = list(content["recipient_infos"])
    assert [info.name for info in found] == [infos, infos]
    assert [info.dump() for info in found] == sorted(info.dump() for info in found)
    names = [info.chosen["rid"] if infos == "ktri" else info.chosen["recipient_encrypted_keys"][0]["rid"] for info in found]
    assert {name.chosen["serial_number"].native for name in names} == {holder.certificate.serial_number for holder in holders}
    assert {name.chosen["issuer"].dump() for name in names} == {authority.issuer.certificate.subject.public_bytes()}


def test_it_never_encrypts_alike_twice(authority: Authority) -> None:
    alice = recipient(authority, "p256")
    first, second = (cms.ContentInfo.load(encrypt(b"x", [alice]))["content"] for _ in range(2))
    for path in (("encrypted_content_info", "encrypted_content"), ("encrypted_content_info", "content_encryption_algorithm")):
        assert first[path[0]][path[1]].dump() != second[path[0]][path[1]].dump()
    assert first["recipient_infos"][0].chosen["originator"].dump() != second["recipient_infos"][0].chosen["originator"].dump()


def test_it_keeps_rsa_and_ec_apart(authority: Authority) -> None:
    mixed = [recipient(authority, kind) for kind in ("rsa2048", "p256", "rsa3072", "p384")]
    with pytest.raises(MixedRecipients):
        encrypt(b"x", mixed)
    groups = apart(mixed)
    assert groups == [[mixed[0], mixed[2]], [mixed[1], mixed[3]]]
    assert all(encrypt(b"x", group) for group in groups)


def test_it_keeps_different_algorithms_apart_but_not_different_reasons(authority: Authority) -> None:
    named = der.sequence(der.sequence(oids.AES_256_CBC))
    leaf = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT).der
    plain, told = Recipient.from_certificate(leaf), Recipient.from_certificate(leaf, capabilities=named)
    modern, short = (Recipient.from_certificate(leaf, capabilities=names) for names in (OURS, der.sequence(der.sequence(oids.AES_128_CBC))))
    assert plain.choice.reason is not told.choice.reason
    assert apart([plain, modern, told, short]) == [[plain, told], [modern], [short]]
    for other in (modern, short):
        with pytest.raises(MixedRecipients):
            encrypt(b"x", [plain, other])


@pytest.mark.parametrize("count", [0, MAX_RECIPIENTS + 1])
def test_it_bounds_the_number_of_recipients(authority: Authority, count: int) -> None:
    with pytest.raises(ValueError, match="recipients"):
        encrypt(b"x", [recipient(authority, "p256")] * count)


@pytest.mark.parametrize("kind", ["rsa1024", "p521"])
def test_it_refuses_weak_and_unknown_keys(authority: Authority, kind: str) -> None:
    with pytest.raises(KeyRefused):
        Recipient.from_certificate(authority.leaf(ALICE, key=make_key(kind)).der)


@pytest.mark.parametrize(
    "damage",
    [lambda der: der[:-1], lambda der: der + b"\x00", lambda _: b"", lambda _: b"\x30\x80\x00\x00", lambda _: b"\x30" * 100, lambda der: der * 100],
)
def test_it_refuses_what_is_not_a_certificate(authority: Authority, damage: "object") -> None:
    assert callable(damage)
    with pytest.raises(KeyRefused):
        Recipient.from_certificate(damage(authority.leaf(ALICE, "p256").der))
