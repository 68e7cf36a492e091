"""What a certificate says of its holder's mail program (RFC 4262) is kept as it stands, and never stands in the way."""

import pytest
from cryptography import x509

from directory.x509.certificate import MOST_CAPABILITIES
from mailer.smime import der, oids
from tests.directory.x509.test_certificate import parsed

NAME = x509.ObjectIdentifier("1.2.840.113549.1.9.15")
NAMED = der.sequence(der.sequence(oids.AES_256_GCM), oids.RSAES_OAEP_SHA256)


@pytest.mark.parametrize("value", [NAMED, b"", b"\xff" * 100, bytes(MOST_CAPABILITIES)], ids=["named", "empty", "not DER", "largest"])
def test_it_keeps_them_unread(value: bytes) -> None:
    assert parsed(x509.UnrecognizedExtension(NAME, value)).smime_capabilities == value


def test_it_knows_none_where_there_are_none() -> None:
    assert parsed().smime_capabilities is None


def test_it_leaves_what_is_too_large() -> None:
    assert parsed(x509.UnrecognizedExtension(NAME, bytes(MOST_CAPABILITIES + 1))).smime_capabilities is None


def test_it_does_not_excuse_a_critical_one() -> None:
    """RFC 4262 section 2 forbids that, and a program that obeys would refuse the certificate."""
    assert parsed(critical=x509.UnrecognizedExtension(NAME, NAMED)).unknown_critical == (NAME.dotted_string,)
