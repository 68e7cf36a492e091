"""What may be published: keys that programs can rely on, for the address that was proven, in its time."""

import random
import sys
from datetime import timedelta

import gmpy2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from directory.explanations import explain
from directory.x509 import weak_keys
from directory.x509.certificate import Key, parse_certificate
from directory.x509.errors import (
    AuthorityCertificateError,
    KeyUsageError,
    NoAddressError,
    OutOfTimeError,
    UnknownCriticalExtensionError,
    UnpublishableError,
    UnsupportedKeyError,
    WeakKeyError,
    WrongAddressError,
)
from directory.x509.gate import check_key, check_publishable, objections
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


def test_it_finds_the_same_weak_keys_among_many_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between good keys of two lengths: two close primes, a small factor, and a prime that others have too, which has to be put on the list first."""
    numbers = [rsa.generate_private_key(65537, bits).private_numbers() for bits in (2048, 2048, 2048, 2056)]
    *good, sharing = [number.public_numbers.n for number in (numbers[0], numbers[1], numbers[3], numbers[2])]
    # The module is hidden behind its function, which has the same name.
    monkeypatch.setitem(sys.modules["badkeys.rsakeys.sharedprimes"]._moduli, 2048, gmpy2.mpz(numbers[2].p))
    monkeypatch.setattr(weak_keys, "_shared_primes", {2048: gmpy2.mpz(numbers[2].p)}.get)
    close = gmpy2.next_prime(3 << 1022)
    weak = {int(close * gmpy2.next_prime(close)), 3 * (random.Random(1).getrandbits(2045) | 1 << 2046 | 1), sharing}
    for modulus in (*good, *weak):
        assert weak_keys.is_weak(modulus, 65537) == (modulus in weak)
    assert weak_keys.weak_among([*good, *weak, *good], 65537) == weak


@pytest.mark.parametrize("bits", [2048, 4096])
def test_it_has_the_list_of_shared_primes(bits: int) -> None:
    """Where the package keeps it, else each key would be looked at alone and slowly."""
    assert weak_keys._shared_primes(bits) is not None


def test_it_objects_in_bulk_as_it_does_to_one(authority: Authority) -> None:
    leaves = [authority.leaf("alice@example.com", kind) for kind in ("rsa1024", "p521", "rsa2048", "p256")]
    leaves += [authority.leaf("alice@example.com", days=days) for days in ((-10, -1), (1, 10), (-1, 10))]
    certificates = [parse_certificate(holder.der) for holder in (*leaves, authority.issuer)]
    found: list[type[UnpublishableError] | None] = []
    for certificate in certificates:
        try:
            check_publishable(certificate, address=ALICE, at=authority.at)
            found.append(None)
        except UnpublishableError as error:
            found.append(type(error))
    assert [error and type(error) for error in objections(certificates, at=authority.at)] == found
    assert len(set(found)) == 5
