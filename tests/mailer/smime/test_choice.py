"""What a recipient's key and the recipient's own capabilities lead to, and what the receipt says of it."""

import pytest
from asn1crypto import algos
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smime import der, oids
from mailer.smime.capabilities import MAX_CAPABILITIES, OURS, named
from mailer.smime.choice import TABLE, Choice, ContentCipher, KeyManagement, Reason, choose
from mailer.smime.errors import KeyRefused, MalformedCms
from mailer.smime.recipients import Recipient
from tests.mailer.smime.conftest import ALICE, CHARLIE
from tests.pki import Authority, Usage, key_of

RSA, EC = key_of("rsa2048").public_key(), key_of("p256").public_key()
PKCS1, OAEP, ECDH = KeyManagement
CBC_128, CBC_256, GCM_128, GCM_256 = ContentCipher
NAMES = dict(zip(ContentCipher, (oids.AES_128_CBC, oids.AES_256_CBC, oids.AES_128_GCM, oids.AES_256_GCM), strict=True))
TRIPLE_DES, RC2 = der.oid("1.2.840.113549.3.7"), der.oid("1.2.840.113549.3.2")
OAEP_BY_SHA1 = der.sequence(oids.RSAES_OAEP_NAME, der.sequence())


def capabilities(*algorithms: ContentCipher | bytes) -> bytes:
    return der.sequence(*(der.sequence(NAMES[each]) if isinstance(each, ContentCipher) else each for each in algorithms))


@pytest.mark.parametrize(
    ("named", "rsa", "content"),
    [
        ((GCM_256, CBC_256, GCM_128, CBC_128, oids.RSAES_OAEP_SHA256), OAEP, GCM_256),
        ((GCM_256, CBC_256), PKCS1, GCM_256),
        ((CBC_128, CBC_256), PKCS1, CBC_256),
        ((GCM_128, CBC_256), PKCS1, CBC_256),
        ((GCM_128, CBC_128), PKCS1, GCM_128),
        ((CBC_128, der.sequence(TRIPLE_DES)), PKCS1, CBC_128),
        ((oids.RSAES_OAEP_SHA256,), OAEP, CBC_256),
        ((der.sequence(oids.RSAES_OAEP_NAME), CBC_256), OAEP, CBC_256),
        ((OAEP_BY_SHA1, CBC_256), PKCS1, CBC_256),
    ],
)
def test_it_follows_what_the_recipient_names(named: tuple[ContentCipher | bytes, ...], rsa: KeyManagement, content: ContentCipher) -> None:
    assert choose(RSA, capabilities(*named)) == Choice(rsa, content)
    assert choose(EC, capabilities(*named)) == Choice(ECDH, content)
    assert choose(RSA, capabilities(*named)).reason is Reason.CAPABILITIES


@pytest.mark.parametrize(
    ("capabilities", "reason"),
    [
        (None, Reason.DEFAULT),
        (der.sequence(), Reason.UNSHARED),
        (capabilities(der.sequence(TRIPLE_DES), der.sequence(RC2, der.integer(40))), Reason.UNSHARED),
        (b"", Reason.UNREADABLE),
        (b"\x30\x80\x00\x00", Reason.UNREADABLE),
        (capabilities(GCM_256) + b"\x00", Reason.UNREADABLE),
        (capabilities(GCM_256)[:-1], Reason.UNREADABLE),
        (capabilities(GCM_256, b"\x05\x00"), Reason.UNREADABLE),
        (capabilities(GCM_256, der.sequence()), Reason.UNREADABLE),
        (der.sequence(der.sequence(oids.AES_256_GCM, b"\x05\x00", b"\x05\x00")), Reason.UNREADABLE),
        (der.tlv(der.SET, der.sequence(oids.AES_256_GCM)), Reason.UNREADABLE),
        (capabilities(*[GCM_256] * 400), Reason.UNREADABLE),
    ],
)
def test_it_falls_back_to_what_every_program_opens(capabilities: bytes | None, reason: Reason) -> None:
    for kind, key_management in (("rsa2048", PKCS1), ("rsa3072", PKCS1), ("p256", ECDH), ("p384", ECDH)):
        choice = choose(key_of(kind).public_key(), capabilities)
        assert (choice, choice.reason) == (Choice(key_management, CBC_256), reason)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(lambda before, after: OURS[:before] + bytes([after]) + OURS[before + 1 :], st.integers(0, len(OURS) - 1), st.integers(0, 255))
)
def test_it_never_stumbles_over_charlies_capabilities(capabilities: bytes) -> None:
    assert choose(RSA, capabilities).content in ContentCipher


def test_it_reads_no_more_than_is_allowed() -> None:
    fitting, over = (der.sequence(der.sequence(oids.AES_256_GCM), der.sequence(RC2, der.octet_string(bytes(size)))) for size in (4061, 4062))
    assert (len(fitting), len(over)) == (MAX_CAPABILITIES, MAX_CAPABILITIES + 1)
    assert oids.AES_256_GCM in named(fitting)
    with pytest.raises(MalformedCms):
        named(over)


def test_its_own_capabilities_lead_to_the_best() -> None:
    """Another sender who follows them as this one does writes what is read here."""
    assert choose(RSA, OURS) == Choice(OAEP, GCM_256)
    assert algos.EncryptionAlgorithm.load(oids.RSAES_OAEP_SHA256).native["parameters"]["hash_algorithm"]["algorithm"] == "sha256"


def test_it_explains_each_line_of_its_table() -> None:
    assert choose(RSA).explanation == (
        "rsa-pkcs1-v1.5, aes-256-cbc; nothing is known of the recipient's program; "
        "rsa-pkcs1-v1.5: RSA as every program opens it; aes-256-cbc: 256 bits as every program opens them"
    )
    assert choose(EC, capabilities(GCM_256)).explanation == (
        "ecdh-stddh-sha256kdf, aes-256-gcm; by the recipient's own capabilities; "
        "ecdh-stddh-sha256kdf: EC as every program that knows EC opens it; aes-256-gcm: named; a change on the way does not open"
    )
    assert {line.algorithm for line in TABLE} == {*KeyManagement, *ContentCipher}
    assert all(line.why for line in TABLE)
    assert all(reason.text in Choice(PKCS1, CBC_256, reason).explanation for reason in Reason)


def test_it_prepares_a_recipient_by_capabilities_or_by_wish(authority: Authority) -> None:
    holder = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    assert Recipient.from_certificate(holder.der).choice == Choice(PKCS1, CBC_256)
    assert Recipient.from_certificate(holder.der, capabilities=OURS).choice == Choice(OAEP, GCM_256)
    assert Recipient.from_certificate(holder.der, capabilities=OURS, choice=Choice(PKCS1, GCM_128)).choice == Choice(PKCS1, GCM_128)


@pytest.mark.parametrize(("kind", "wish"), [("rsa2048", ECDH), ("p256", PKCS1), ("p384", OAEP)])
def test_it_refuses_a_wish_that_does_not_fit_the_key(authority: Authority, kind: str, wish: KeyManagement) -> None:
    with pytest.raises(KeyRefused):
        Recipient.from_certificate(authority.leaf(CHARLIE, kind, Usage.ENCRYPT).der, choice=Choice(wish, CBC_256))
