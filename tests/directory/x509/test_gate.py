"""What may be published: keys that programs can rely on, for the address that was proven, in its time."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from directory.explanations import explain
from directory.x509.certificate import Key, parse_certificate
from directory.x509.errors import (
    AuthorityCertificateError,
    KeyUsageError,
    NoAddressError,
    OutOfTimeError,
    UnknownCriticalExtensionError,
    UnsupportedKeyError,
    WeakKeyError,
    WrongAddressError,
)
from directory.x509.gate import check_key, check_publishable
from directory.x509.names import EmailAddress
from tests.directory.x509.test_certificate import NOW, parsed, san
from tests.pki import Authority

ALICE = EmailAddress.parse("Alice@example.com")
PARSED_SAN = san(x509.RFC822Name("alice@example.com"))


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p256", "p384"])
def test_it_lets_good_certificates_through(authority: Authority, kind: str) -> None:
    found = parse_certificate(authority.leaf("alice@example.com", kind).der)
    check_publishable(found, address=ALICE, at=authority.at)


@pytest.mark.parametrize(("kind", "error"), [("rsa1024", WeakKeyError), ("p521", UnsupportedKeyError)])
def test_it_refuses_short_keys_and_rare_curves(authority: Authority, kind: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_key(parse_certificate(authority.leaf("alice@example.com", kind).der))


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, x25519.X25519PrivateKey.generate])
def test_it_refuses_keys_that_no_mail_program_opens_and_names_them(make: object) -> None:
    key = make().public_key()  # type: ignore[operator]
    with pytest.raises(UnsupportedKeyError, match="25519"):
        check_key(parsed(PARSED_SAN, public_key=key))


def test_it_refuses_large_keys_and_other_exponents() -> None:
    modulus = rsa.generate_private_key(65537, 2048).private_numbers().public_numbers.n
    for exponent, bits, large in ((3, 2048, modulus), (2**64 + 1, 2048, modulus), (65537, 16384, modulus << 14336 | 1)):
        found = parsed(PARSED_SAN, public_key=rsa.RSAPublicNumbers(exponent, large).public_key())
        assert found.key.bits == bits
        with pytest.raises(UnsupportedKeyError):
            check_key(found)


def test_it_refuses_keys_that_are_known_to_be_weak() -> None:
    """Two close primes, which Fermat's method finds at once."""
    p = (1 << 1024) - 105  # a prime
    q = p
    while True:
        q -= 2
        if pow(2, q - 1, q) == 1:
            break
    found = parsed(PARSED_SAN, public_key=rsa.RSAPublicNumbers(65537, p * q).public_key())
    assert found.key == Key("RSA", bits=2048, exponent=65537, modulus=p * q)
    with pytest.raises(WeakKeyError):
        check_key(found)


def test_it_refuses_another_address_and_no_address(authority: Authority) -> None:
    with pytest.raises(WrongAddressError):
        check_publishable(parse_certificate(authority.leaf("charlie@example.com").der), address=ALICE, at=authority.at)
    with pytest.raises(NoAddressError):
        check_publishable(parsed(subject=[(NameOID.COMMON_NAME, "alice@example.com")]), address=ALICE, at=NOW)


def test_it_refuses_an_authority_and_a_server(authority: Authority) -> None:
    with pytest.raises(AuthorityCertificateError):
        check_publishable(parse_certificate(authority.issuer.der), address=ALICE, at=authority.at)
    server = authority.leaf("alice@example.com", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    with pytest.raises(KeyUsageError):
        check_publishable(parse_certificate(server.der), address=ALICE, at=authority.at)


@pytest.mark.parametrize("extension", [x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9.9"), b"\x05\x00"), x509.PrecertPoison()])
def test_it_refuses_a_critical_extension_that_nobody_knows_and_names_it(extension: x509.ExtensionType) -> None:
    """RFC 5280 section 4.2. What is not critical may be passed over."""
    with pytest.raises(UnknownCriticalExtensionError, match=extension.oid.dotted_string) as caught:
        check_publishable(parsed(PARSED_SAN, critical=extension), address=ALICE, at=NOW)
    assert extension.oid.dotted_string in explain(caught.value)
    check_publishable(parsed(PARSED_SAN, extension), address=ALICE, at=NOW)


def test_it_refuses_what_has_expired_or_has_not_begun(authority: Authority) -> None:
    found = parse_certificate(authority.leaf("alice@example.com", days=(-10, 10)).der)
    for moment in (found.not_before - timedelta(seconds=1), found.not_after):
        with pytest.raises(OutOfTimeError):
            check_publishable(found, address=ALICE, at=moment)
    check_publishable(found, address=ALICE, at=found.not_before)
