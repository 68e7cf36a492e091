"""What a certificate says, read exactly and from the right places."""

from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import (
    CertificateTooLargeError,
    MalformedCertificateError,
    MalformedExtensionError,
    MalformedKeyError,
    MalformedSerialError,
)
from tests.pki import Authority, Usage, key_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")


def utf8_mailbox(text: str) -> x509.OtherName:
    data = text.encode()
    return x509.OtherName(SMTP_UTF8_MAILBOX, bytes((0x0C, len(data))) + data)


def build(
    *extensions: x509.ExtensionType,
    subject: list[tuple[x509.ObjectIdentifier, str]] | None = None,
    public_key: object = None,
    serial: int = 4711,
    critical: x509.ExtensionType | None = None,
) -> bytes:
    signer = key_of("p256", "signer")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in subject or []]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signer")]))
        .public_key(public_key or signer.public_key())  # type: ignore[arg-type]
        .serial_number(serial)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.DER)


def parsed(*extensions: x509.ExtensionType, **facts: object) -> ParsedCertificate:
    return parse_certificate(build(*extensions, **facts))  # type: ignore[arg-type]


def san(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(names)


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
def test_it_cuts_out_the_exact_bytes(authority: Authority, kind: str) -> None:
    leaf = authority.leaf("alice@example.com", kind)
    found = parse_certificate(leaf.der)
    other = asn1_x509.Certificate.load(leaf.der)
    expected = cms.IssuerAndSerialNumber({"issuer": other.issuer, "serial_number": other.serial_number})
    assert found.issuer_and_serial == expected.dump(force=True)
    assert found.spki == leaf.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.serial == other["tbs_certificate"]["serial_number"].contents.hex()
    assert found.fingerprint == leaf.certificate.fingerprint(hashes.SHA256()).hex()
    assert (found.not_before, found.not_after) == (leaf.certificate.not_valid_before_utc, leaf.certificate.not_valid_after_utc)


@pytest.mark.parametrize(
    ("kind", "type_", "bits", "curve"),
    [("rsa2048", "RSA", 2048, ""), ("p256", "EC", 256, "P-256"), ("p384", "EC", 384, "P-384"), ("p521", "EC", 521, "P-521")],
)
def test_it_names_the_key(authority: Authority, kind: str, type_: str, bits: int, curve: str) -> None:
    key = parse_certificate(authority.leaf("alice@example.com", kind).der).key
    assert (key.type, key.bits, key.curve) == (type_, bits, curve)


@pytest.mark.parametrize("usage", list(Usage))
@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_keeps_signing_and_encrypting_apart(authority: Authority, kind: str, usage: Usage) -> None:
    found = parse_certificate(authority.leaf("alice@example.com", kind, usage).der)
    assert found.can_sign == (usage is not Usage.ENCRYPT)
    assert found.can_encrypt == (usage is not Usage.SIGN)


def test_an_absent_key_usage_means_every_use() -> None:
    found = parsed(san(x509.RFC822Name("alice@example.com")))
    assert found.can_sign
    assert found.can_encrypt
    assert found.for_mail


@pytest.mark.parametrize(
    ("purposes", "for_mail"),
    [
        ([ExtendedKeyUsageOID.EMAIL_PROTECTION], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], False),
    ],
)
def test_a_certificate_for_other_purposes_does_neither(purposes: list[x509.ObjectIdentifier], for_mail: bool) -> None:  # noqa: FBT001 - a parameter
    found = parsed(x509.ExtendedKeyUsage(purposes))
    assert (found.can_sign, found.can_encrypt) == (for_mail, for_mail)


def test_a_key_that_may_only_decipher_cannot_be_encrypted_to() -> None:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=True,
    )
    assert not parsed(usage).can_encrypt


def test_it_reads_addresses_in_order_and_never_from_the_common_name() -> None:
    found = parsed(
        san(utf8_mailbox("ålice@example.com"), x509.RFC822Name("Alice@example.com"), x509.DNSName("example.com")),
        subject=[(NameOID.COMMON_NAME, "charlie@example.com"), (NameOID.EMAIL_ADDRESS, "alice.dn@example.com")],
    )
    assert [address.address for address in found.addresses] == ["Alice@example.com", "ålice@example.com", "alice.dn@example.com"]


def test_it_passes_over_addresses_that_break_the_rule() -> None:
    found = parsed(san(x509.RFC822Name("not an address"), utf8_mailbox("bob@bücher.example.org"), x509.RFC822Name("bob@example.com")))
    assert [address.address for address in found.addresses] == ["bob@example.com"]


def test_it_names_an_address_once() -> None:
    found = parsed(san(x509.RFC822Name("bob@example.com"), x509.RFC822Name("Bob@Example.com")), subject=[(NameOID.EMAIL_ADDRESS, "BOB@example.com")])
    assert [address.address for address in found.addresses] == ["bob@example.com"]


def test_it_reads_whom_the_subject_names() -> None:
    identity = parsed(
        subject=[
            (NameOID.COUNTRY_NAME, "DE"),
            (NameOID.ORGANIZATION_NAME, "Bank AG"),
            (NameOID.ORGANIZATION_IDENTIFIER, "NTRDE-DER3306.HRB12345"),
            (NameOID.GIVEN_NAME, "Alice"),
            (NameOID.SURNAME, "Smith"),
            (NameOID.COMMON_NAME, "Somebody"),
        ]
    ).identity
    assert (identity.name, identity.organization, identity.organization_identifier, identity.country) == (
        "Alice Smith",
        "Bank AG",
        "NTRDE-DER3306.HRB12345",
        "DE",
    )


@pytest.mark.parametrize("common_name", ["Bank AG", "bills@bank.example.com"])
def test_a_common_name_that_repeats_organisation_or_address_is_nobody(common_name: str) -> None:
    assert parsed(subject=[(NameOID.ORGANIZATION_NAME, "Bank AG"), (NameOID.COMMON_NAME, common_name)]).identity.name is None


def test_text_of_a_certificate_is_safe_to_store_and_show() -> None:
    found = parsed(subject=[(NameOID.ORGANIZATION_NAME, "Ba\x00nk\n\N{RIGHT-TO-LEFT OVERRIDE}AG" + "x" * 50)])
    assert found.identity.organization is not None
    assert found.identity.organization.startswith("Ba\N{REPLACEMENT CHARACTER}nk\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}AG")


def test_it_recognises_keys_that_mail_programs_cannot_use() -> None:
    signing = parsed(public_key=ed25519.Ed25519PrivateKey.generate().public_key())
    assert (signing.key.type, signing.can_sign, signing.can_encrypt) == ("Ed25519", True, False)
    agreeing = parsed(public_key=x25519.X25519PrivateKey.generate().public_key())
    assert (agreeing.key.type, agreeing.can_sign, agreeing.can_encrypt) == ("X25519", False, True)


def test_it_recognises_an_authority(authority: Authority) -> None:
    assert parse_certificate(authority.issuer.der).is_authority
    assert not parse_certificate(authority.leaf("alice@example.com").der).is_authority


def test_it_refuses_what_is_too_large() -> None:
    with pytest.raises(CertificateTooLargeError):
        parse_certificate(b"\x30\x82" + b"\x00" * 20_000)


def test_it_refuses_what_follows_the_certificate(authority: Authority) -> None:
    with pytest.raises(MalformedCertificateError):
        parse_certificate(authority.leaf("alice@example.com").der + b"\x00")


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80", b"\x30\x00", b"\x30\x02\x30\x00", b"\x04\x02ab", b"\x30\x84\xff\xff\xff\xff", b"\x30\x85"]
)
def test_it_refuses_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(MalformedCertificateError):
        parse_certificate(data)


@pytest.mark.parametrize("serial", [b"\x00", b"\x80", b"\xff\x01"])
def test_it_refuses_a_serial_number_that_is_not_positive(serial: bytes) -> None:
    good = build(serial=0x4711 if len(serial) == 2 else 0x47)
    old = bytes((2, len(serial))) + (0x4711 if len(serial) == 2 else 0x47).to_bytes(len(serial), "big")
    assert good.count(old) == 1
    with pytest.raises(MalformedSerialError):
        parse_certificate(good.replace(old, bytes((2, len(serial))) + serial))


def test_it_refuses_an_extension_that_stands_twice() -> None:
    """Made by turning one extension's identifier into the other's: the signature is not checked here."""
    data = build(x509.SubjectKeyIdentifier(b"a" * 20), x509.AuthorityKeyIdentifier(b"b" * 20, None, None))
    twice = data.replace(bytes.fromhex("0603551d23"), bytes.fromhex("0603551d0e"))
    assert twice != data
    with pytest.raises(MalformedExtensionError):
        parse_certificate(twice)


def test_it_refuses_a_point_that_is_not_on_its_curve() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    data = build(public_key=key)
    with pytest.raises(MalformedKeyError):
        parse_certificate(data.replace(point, point[:-1] + bytes((point[-1] ^ 1,))))
