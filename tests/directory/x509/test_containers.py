"""Uploads: PEM, DER and certs-only PKCS#7, and never somebody's private key."""

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12

from directory.x509.containers import read_upload
from directory.x509.errors import (
    EmptyUploadError,
    MalformedUploadError,
    PrivateKeyInUploadError,
    TooManyCertificatesError,
    UploadTooLargeError,
)
from tests.pki import Authority, Holder


@pytest.fixture
def alice(authority: Authority) -> Holder:
    return authority.leaf("alice@example.com", "rsa2048")


def test_it_reads_pem_and_der_and_bare_base64(alice: Holder) -> None:
    for upload in (alice.pem, alice.der, base64.encodebytes(alice.der), b"\r\nComment\r\n" + alice.pem.replace(b"\n", b"\r\n")):
        assert read_upload(upload) == [alice.der]


def test_it_reads_what_openssl_trusts(alice: Holder) -> None:
    """`openssl x509 -trustout` writes settings after the certificate."""
    settings = bytes.fromhex("300c300a06082b06010505070304")
    upload = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + base64.encodebytes(alice.der + settings) + b"-----END TRUSTED CERTIFICATE-----\n"
    assert read_upload(upload) == [alice.der]
    with pytest.raises(MalformedUploadError):
        read_upload(b"-----BEGIN TRUSTED CERTIFICATE-----\nMIIE\n-----END TRUSTED CERTIFICATE-----\n")


def test_it_reads_several_in_order(alice: Holder, authority: Authority) -> None:
    assert read_upload(alice.pem + authority.issuer.pem) == [alice.der, authority.issuer.der]


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_it_reads_certs_only_pkcs7(alice: Holder, authority: Authority, encoding: Encoding) -> None:
    upload = pkcs7.serialize_certificates([alice.certificate, authority.issuer.certificate], encoding)
    assert sorted(read_upload(upload)) == sorted([alice.der, authority.issuer.der])


def test_it_refuses_a_signed_message_in_pkcs7(alice: Holder) -> None:
    """The certificates in a signed message are the signer's choice, and not all of them the signer's."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"x").add_signer(alice.certificate, alice.key, SHA256())
    with pytest.raises(MalformedUploadError):
        read_upload(builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary]))


def test_it_refuses_private_keys_in_every_form(alice: Holder) -> None:
    p12 = pkcs12.serialize_key_and_certificates(b"alice", alice.key, alice.certificate, None, BestAvailableEncryption(b"secret"))
    forms = (
        alice.key_pem,
        alice.pem + alice.key_pem,
        alice.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        alice.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        alice.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        alice.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        p12,
    )
    for form in forms:
        with pytest.raises(PrivateKeyInUploadError) as caught:
            read_upload(form)
        assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize(
    "upload", [b"", b"   \n", b"-----BEGIN PKCS7-----\nMCcGCSqGSIb3DQEHAqAaMBgCAQExADALBgkqhkiG9w0BBwGgAKEAMQA=\n-----END PKCS7-----"]
)
def test_it_refuses_what_holds_nothing(upload: bytes) -> None:
    with pytest.raises(EmptyUploadError):
        read_upload(upload)


@pytest.mark.parametrize(
    "upload",
    [
        b"%PDF-1.7",
        b"\x00\x01\x02",
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + b"\xa0\x80" * 2000,
        b"\x30\x20\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x13" + b"\x00" * 19,
        b"\x30\x03\x0c\x01a",
    ],
)
def test_it_refuses_what_is_no_certificate(upload: bytes) -> None:
    with pytest.raises(MalformedUploadError):
        read_upload(upload)


def test_it_refuses_too_much(alice: Holder) -> None:
    with pytest.raises(UploadTooLargeError):
        read_upload(b"\x30" * (1024 * 1024 + 1))
    with pytest.raises(TooManyCertificatesError):
        read_upload(alice.pem * 21)


def test_it_does_not_take_long_over_hostile_pem() -> None:
    """Many beginnings without an end must not make the search quadratic in a megabyte."""
    with pytest.raises(MalformedUploadError):
        read_upload(b"-----BEGIN CERTIFICATE-----\n" * 37_000)


@pytest.mark.parametrize("filling", [b" ", b"\n", b"A", b"A: b\n", b"-----BEGIN CERTIFICATE-----"])
def test_a_broken_block_costs_no_more_than_its_length(filling: bytes) -> None:
    """An hour of one thread, if each of a million blanks were tried as the end of the first: this would not come back."""
    with pytest.raises(MalformedUploadError):
        read_upload(b"-----BEGIN CERTIFICATE-----" + filling * (900_000 // len(filling)) + b"!")
