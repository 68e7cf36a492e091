"""Envelopes as OpenSSL can be made to write them: every key management and cipher it has, and what is too old."""

import subprocess
import zlib
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from mailer.smime import der, foreign, oids
from mailer.smime.compressed import decompress
from mailer.smime.content_keys import KeyTransfer
from mailer.smime.errors import CannotDecrypt, LegacyAlgorithm, MalformedCms, NotForThisKey, SmimeError, TooLarge, UnsupportedAlgorithm
from mailer.smime.open import Opener, opened
from tests.mailer.smime.conftest import ALICE, BOB, CHARLIE
from tests.pki import Authority, Holder, Usage

SECRET = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"
OAEP = ["-keyopt", "rsa_padding_mode:oaep"]


def cms(folder: Path, *arguments: str, given: bytes = SECRET) -> bytes:
    return subprocess.run(["openssl", "cms", *arguments], cwd=folder, input=given, capture_output=True, check=True, timeout=30).stdout


def encrypted(folder: Path, *arguments: str, holders: list[Holder], given: bytes = SECRET, options: list[str] | None = None) -> bytes:
    named: list[str] = []
    for number, holder in enumerate(holders):
        (folder / f"{number}.crt").write_bytes(holder.pem)
        named += ["-recip", f"{number}.crt", *(options or [])]
    return cms(folder, "-encrypt", "-binary", "-outform", "DER", *arguments, *named, given=given)


def opener(holder: Holder) -> Opener:
    return Opener(holder.key, holder.der)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"])
@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_each_cipher(authority: Authority, tmp_path: Path, kind: str, cipher: str) -> None:
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    found = opened(encrypted(tmp_path, f"-{cipher}", holders=[alice]), [opener(alice)])
    assert (found.content, found.cipher.lower(), found.authenticated, found.legacy) == (SECRET, cipher, "gcm" in cipher, False)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-keyopt", "rsa_oaep_md:sha256"],
        ["-keyopt", "rsa_oaep_md:sha384", "-keyopt", "rsa_mgf1_md:sha1"],
        ["-keyopt", "rsa_oaep_md:sha1", "-keyopt", "rsa_mgf1_md:sha512"],
        ["-keyopt", "rsa_oaep_md:sha512"],
        ["-keyopt", "rsa_oaep_label:c0ffee"],
    ],
    ids=" ".join,
)
def test_it_opens_each_oaep(authority: Authority, tmp_path: Path, options: list[str]) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    found = opened(encrypted(tmp_path, "-aes256", holders=[alice], options=[*OAEP, *options]), [opener(alice)])
    assert (found.content, found.key_transfer) == (SECRET, KeyTransfer.RSA_OAEP)


@pytest.mark.parametrize("kind", ["p256", "p384", "p521"])
@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("cofactor", ["0", "1"])
def test_it_opens_each_key_agreement(authority: Authority, tmp_path: Path, kind: str, digest: str, cofactor: str) -> None:
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    options = ["-keyopt", f"ecdh_kdf_md:{digest}", "-keyopt", f"ecdh_cofactor_mode:{cofactor}"]
    found = opened(encrypted(tmp_path, "-aes128", holders=[alice], options=options), [opener(alice)])
    assert (found.content, found.key_transfer) == (SECRET, KeyTransfer.ECDH)


@pytest.mark.parametrize("wrap", ["aes128-wrap", "aes192-wrap", "aes256-wrap"])
def test_it_opens_each_key_wrap(authority: Authority, tmp_path: Path, wrap: str) -> None:
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    assert opened(encrypted(tmp_path, "-aes256", f"-{wrap}", holders=[alice]), [opener(alice)]).content == SECRET


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_triple_des_and_calls_it_old(authority: Authority, tmp_path: Path, kind: str) -> None:
    """What OpenSSL 3.0 and old Outlooks write of themselves; for an EC key the wrap is 3DES too (RFC 3217)."""
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    found = opened(encrypted(tmp_path, "-des3", holders=[alice]), [opener(alice)])
    assert (found.content, found.cipher, found.legacy, found.authenticated) == (SECRET, "3DES-CBC", True, False)


@pytest.mark.parametrize(
    ("cipher", "error"), [("-rc2-128", None), ("-rc2-64", LegacyAlgorithm), ("-rc2-40", LegacyAlgorithm), ("-des", LegacyAlgorithm)]
)
def test_it_recognises_what_is_older_still(authority: Authority, tmp_path: Path, cipher: str, error: type[SmimeError] | None) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    envelope = encrypted(tmp_path, "-provider", "legacy", "-provider", "default", cipher, holders=[alice])
    if error is None:
        assert opened(envelope, [opener(alice)])[0] == SECRET
        assert opened(envelope, [opener(alice)]).legacy
    else:
        with pytest.raises(error):
            opened(envelope, [opener(alice)])


def test_it_tells_a_cipher_it_does_not_know(authority: Authority, tmp_path: Path) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    with pytest.raises(UnsupportedAlgorithm) as raised:
        opened(encrypted(tmp_path, "-camellia256", holders=[alice]), [opener(alice)])
    assert not isinstance(raised.value, LegacyAlgorithm)


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_by_key_identifier(authority: Authority, tmp_path: Path, kind: str) -> None:
    alice, charlie = authority.leaf(ALICE, kind, Usage.ENCRYPT), authority.leaf(CHARLIE, kind, Usage.ENCRYPT)
    envelope = encrypted(tmp_path, "-aes256", "-keyid", holders=[alice])
    assert opened(envelope, [opener(charlie), opener(alice)]).content == SECRET
    with pytest.raises(NotForThisKey):
        opened(envelope, [opener(charlie)])


def test_it_opens_for_each_of_many_recipients(authority: Authority, tmp_path: Path) -> None:
    """RSA and EC in one envelope, the sender included."""
    holders = [authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, BOB) for kind in ("rsa2048", "p256", "p384")]
    envelope = encrypted(tmp_path, "-aes256", holders=holders)
    for holder in holders:
        assert opened(envelope, [opener(holder)]).content == SECRET


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_what_was_streamed(authority: Authority, tmp_path: Path, kind: str) -> None:
    """Indefinite lengths and a content in pieces."""
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    large = SECRET + bytes(range(256)) * 1000
    envelope = encrypted(tmp_path, "-stream", "-aes256", holders=[alice], given=large)
    assert b"\x24\x80" in envelope or b"\xa0\x80" in envelope
    assert opened(envelope, [opener(alice)]).content == large


@pytest.mark.parametrize("position", [-1, -20, -40])
def test_it_checks_the_tag(authority: Authority, tmp_path: Path, position: int) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    envelope = bytearray(encrypted(tmp_path, "-aes-256-gcm", holders=[alice]))
    envelope[position] ^= 1
    with pytest.raises(CannotDecrypt):
        opened(bytes(envelope), [opener(alice)])


def test_it_does_not_open_without_content(authority: Authority) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    vector = _vector("pkcs7", "enveloped-no-content.der").read_bytes()
    with pytest.raises((MalformedCms, UnsupportedAlgorithm)):
        opened(vector, [opener(alice)])


@pytest.mark.parametrize(
    ("name", "transfer"), [("enveloped-triple-des.pem", KeyTransfer.RSA_PKCS1), ("enveloped-rsa-oaep.pem", KeyTransfer.RSA_OAEP)]
)
def test_it_opens_the_vectors_of_cryptography(name: str, transfer: KeyTransfer) -> None:
    key = load_pem_private_key(_vector("x509", "custom", "ca", "rsa_key.pem").read_bytes(), None)
    certificate = load_pem_x509_certificate(_vector("x509", "custom", "ca", "rsa_ca.pem").read_bytes())
    envelope = subprocess.run(
        ["openssl", "pkcs7", "-in", str(_vector("pkcs7", name)), "-outform", "DER"], capture_output=True, check=True, timeout=30
    ).stdout
    found = opened(envelope, [Opener(key, certificate.public_bytes(Encoding.DER))])  # type: ignore[arg-type]  # it is RSA
    assert found.key_transfer is transfer
    assert found.content


def _vector(*names: str) -> Path:
    return Path(cryptography_vectors.__file__).parent.joinpath(*names)


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_it_decompresses_within_a_limit(cut: int) -> None:
    packed = compressed(b"x" * 1_000_000)
    if cut:
        with pytest.raises(MalformedCms):
            decompress(packed[:-cut])
        return
    assert decompress(packed) == b"x" * 1_000_000
    with pytest.raises(TooLarge):
        decompress(packed, max_content=999_999)


def compressed(content: bytes) -> bytes:
    """OpenSSL as packaged has no zlib: CompressedData by hand (RFC 3274 section 1.1)."""
    encapsulated = der.sequence(oids.DATA, der.explicit(0, der.octet_string(zlib.compress(content))))
    data = der.sequence(der.integer(0), der.sequence(foreign.ZLIB_COMPRESSION), encapsulated)
    return der.sequence(foreign.COMPRESSED_DATA, der.explicit(0, data))
