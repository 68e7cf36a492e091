"""The organisation's key out of files: every usual form, and a named error that shows nothing of what was in one."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12
from letterlock import KeyFileError, load_certificates, load_key, own_key

from tests.clients.conftest import SENDER
from tests.pki import Authority, Holder, Usage, make_key

SECRET = "correct horse"


@pytest.fixture(params=["rsa2048", "p256", "p384"])
def holder(request: pytest.FixtureRequest, authority: Authority) -> Holder:
    return authority.leaf(SENDER, request.param, Usage.SIGN)


def _write(folder: Path, name: str, octets: bytes) -> Path:
    (folder / name).write_bytes(octets)
    return folder / name


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("secret", [None, SECRET, SECRET.encode()])
def test_it_reads_pkcs8(encoding: Encoding, secret: str | bytes | None, holder: Holder, authority: Authority, tmp_path: Path) -> None:
    protection = BestAvailableEncryption(SECRET.encode()) if secret else NoEncryption()
    key = _write(tmp_path, "key", holder.key.private_bytes(encoding, PrivateFormat.PKCS8, protection))
    certificate = _write(tmp_path, "crt", holder.certificate.public_bytes(encoding))
    chain = _write(tmp_path, "chain", authority.issuer.pem + authority.roots_pem)
    loaded = load_key(key, certificate, chain, passphrase=secret)
    assert loaded.certificate.der == holder.der
    assert loaded.chain == (authority.issuer.der,), "the root is the reader's own"


def test_it_reads_pkcs12(holder: Holder, authority: Authority, tmp_path: Path) -> None:
    others = [authority.issuer.certificate, authority.root.certificate]
    octets = pkcs12.serialize_key_and_certificates(b"bank", holder.key, holder.certificate, others, BestAvailableEncryption(SECRET.encode()))
    loaded = load_key(_write(tmp_path, "bank.p12", octets), passphrase=SECRET)
    assert (loaded.certificate.der, loaded.chain) == (holder.der, (authority.issuer.der,))
    for wrong in (None, "wrong"):
        with pytest.raises(KeyFileError, match="passphrase"):
            load_key(tmp_path / "bank.p12", passphrase=wrong)


def test_it_reads_a_file_with_the_whole_chain(holder: Holder, authority: Authority, tmp_path: Path) -> None:
    whole = _write(tmp_path, "whole.pem", holder.pem + authority.issuer.pem)
    assert load_key(_write(tmp_path, "key.pem", holder.key_pem), whole).chain == (authority.issuer.der,)


def test_it_refuses_a_key_of_another_certificate(holder: Holder, authority: Authority, tmp_path: Path) -> None:
    other = _write(tmp_path, "other.pem", authority.leaf(SENDER, key=make_key("p256")).pem)
    with pytest.raises(KeyFileError, match="another key"):
        load_key(_write(tmp_path, "key.pem", holder.key_pem), other)


def test_it_refuses_a_kind_of_key_that_nobody_verifies(authority: Authority) -> None:
    with pytest.raises(KeyFileError):
        own_key(ed25519.Ed25519PrivateKey.generate(), authority.leaf(SENDER).der)
    with pytest.raises(KeyFileError):
        own_key(make_key("p521"), authority.leaf(SENDER, "p521").der)
    with pytest.raises(KeyFileError):
        own_key(None, authority.leaf(SENDER).der)


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_it_says_nothing_of_a_key_that_it_cannot_open(secret: str | None, holder: Holder, tmp_path: Path) -> None:
    octets = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    certificate = _write(tmp_path, "crt", holder.pem)
    with pytest.raises(KeyFileError) as refused:
        load_key(_write(tmp_path, "key.pem", octets), certificate, passphrase=secret)
    assert refused.value.__cause__ is None
    assert "wrong" not in str(refused.value).replace("missing or wrong", "")


@pytest.mark.parametrize("octets", [b"", b"x" * 2_000_000, b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", b"\x30\x80\x00"])
def test_it_refuses_what_is_no_certificate(octets: bytes, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        load_certificates(_write(tmp_path, "crt", octets))
    with pytest.raises(KeyFileError):
        load_certificates(tmp_path / "missing")


def test_it_shows_nothing_of_a_key(holder: Holder, authority: Authority) -> None:
    shown = repr(own_key(holder.key, holder.der, authority.chain))
    assert "Signer" not in shown
    assert "Opener" not in shown
    assert "PrivateKey" not in shown
