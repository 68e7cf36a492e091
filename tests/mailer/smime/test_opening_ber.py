"""BER in all its forms reads like the DER of the same message, within limits of depth and number."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smime import der, oids, signed_data
from mailer.smime.ber import MAX_DEPTH, Buffer
from mailer.smime.errors import MalformedCms, SmimeError, TooLarge
from mailer.smime.open import open_envelope
from mailer.smime.reader import Reader
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify_cms
from tests.mailer.smime.conftest import ALICE, signer_of
from tests.mailer.smime.test_opening import SECRET, envelope_for, opener
from tests.pki import Authority, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


def indefinite(encoding: bytes, *, keep: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """The same with every constructed element at indefinite length, but for those of which `keep` says that they are to stay."""
    element = der.read(encoding)
    if not element.tag & 0x20 or keep(encoding):
        return encoding
    inside = b"".join(indefinite(encoding[child.start : child.end], keep=keep) for child in der.children(encoding, element))
    return bytes((element.tag, 0x80)) + inside + b"\x00\x00"


def in_pieces(octets: bytes, size: int, *, tag: int = 0x24, depth: int = 1) -> bytes:
    """An octet string constructed from pieces, nested `depth` times, at indefinite length."""
    pieces = b"".join(der.octet_string(octets[start : start + size]) for start in range(0, len(octets), size))
    for _ in range(depth - 1):
        pieces = b"\x24\x80" + pieces + b"\x00\x00"
    return bytes((tag, 0x80)) + pieces + b"\x00\x00"


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_an_envelope_at_indefinite_lengths(authority: Authority, kind: str) -> None:
    """The issuer's name and the algorithms too, which are compared and derived from in DER."""
    alice = authority.leaf(ALICE, kind, Usage.ENCRYPT)
    streamed = indefinite(envelope_for(alice))
    assert streamed[1] == 0x80
    assert open_envelope(streamed, [opener(alice)]) == SECRET


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 16, 1000])
def test_it_joins_the_pieces_of_a_content(authority: Authority, size: int, depth: int) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    envelope = envelope_for(alice)
    content = Reader.of(envelope).enter(der.SEQUENCE)
    content.whole(der.OID)
    data = content.enter(der.CONTEXT_0).enter(der.SEQUENCE)
    version, infos, encrypted = data.whole(der.INTEGER), data.whole(der.SET), data.enter(der.SEQUENCE)
    kind, cipher, octets = encrypted.whole(der.OID), encrypted.whole(der.SEQUENCE), encrypted.contents(0x80)
    pieces = in_pieces(octets, size, tag=0xA0, depth=depth)
    again = der.sequence(oids.ENVELOPED_DATA, der.explicit(0, der.sequence(version, infos, der.sequence(kind, cipher, pieces))))
    assert open_envelope(again, [opener(alice)]) == SECRET


def test_it_verifies_a_signature_at_indefinite_lengths(authority: Authority) -> None:
    """Certificates stay as they are; the signed attributes are put into DER before the signature is checked."""
    signature = signer_of(authority, "rsa2048").signature(ENTITY, at=authority.at)
    certificates = set(signed_data.read(signature).certificates)
    names = {authority.issuer.certificate.subject.public_bytes()}
    attributes = set(signed_data.read(signature).signers[0].attributes or [])
    streamed = indefinite(signature, keep=(certificates | names | attributes).__contains__)
    assert streamed != signature
    assert verify_cms(streamed, content=ENTITY, at=authority.at, trust=Trust([authority.root.der], revocation=Revocation.IF_GIVEN)).verified


@pytest.mark.parametrize(
    ("encoding", "error"),
    [
        (b"\x30\x80", MalformedCms),
        (b"\x30\x80\x04\x01", MalformedCms),
        (b"\x04\x80\x00\x00", MalformedCms),
        (b"\x30\x89" + bytes(9), MalformedCms),
        (b"\x30\xff" + bytes(200), MalformedCms),
        (b"\x30\x84\xff\xff\xff\xff", MalformedCms),
        (b"\x30\x02\x00\x00", MalformedCms),
        (b"\x30\x03\x02\x05\x00", MalformedCms),
        (b"\x1f\x81\x01\x00", MalformedCms),
        (b"\x30\x00\x01", MalformedCms),
        (b"\x30\x80" * 10_000, TooLarge),
        (b"\x30\x80" * (MAX_DEPTH + 1) + b"\x00\x00" * (MAX_DEPTH + 1), TooLarge),
        (b"\x30\x80" + b"\x05\x00" * 1_100_000 + b"\x00\x00", TooLarge),
    ],
    ids=range(13),
)
def test_it_refuses_what_is_no_encoding_or_too_much(encoding: bytes, error: type[SmimeError]) -> None:
    with pytest.raises(error):
        _read_all(encoding)


def _read_all(encoding: bytes) -> None:
    reader = Reader.of(encoding)
    while reader.tag is not None:
        reader.enter(der.SEQUENCE).whole()


def test_it_reads_each_octet_once_however_deep() -> None:
    """Ends that were found are remembered: entering level after level does not look for them again."""
    deep = b"\x30\x80" * MAX_DEPTH + b"\x05\x00" * 100_000 + b"\x00\x00" * MAX_DEPTH
    buffer = Buffer(deep)
    reader = Reader(buffer, 0, len(deep))
    for _ in range(MAX_DEPTH):
        reader = reader.enter(der.SEQUENCE)
    assert buffer._left > 800_000


def test_it_takes_fillings_behind_the_end_but_no_text(authority: Authority) -> None:
    alice = authority.leaf(ALICE, "rsa2048", Usage.ENCRYPT)
    envelope = envelope_for(alice)
    assert open_envelope(envelope + b"\r\n\x00", [opener(alice)]) == SECRET
    with pytest.raises(MalformedCms):
        open_envelope(envelope + b"x", [opener(alice)])


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_it_never_fails_without_a_name(data: bytes) -> None:
    def walk(reader: Reader, depth: int) -> None:
        while reader.tag is not None:
            if reader.tag & 0x20 and depth < 20:
                walk(reader.enter(reader.tag), depth + 1)
            else:
                reader.whole()

    try:
        walk(Reader.over(data), 0)
        Reader.of(b"\x24\x80" + data + b"\x00\x00").octets()
    except (MalformedCms, TooLarge):
        pass


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20), st.booleans())
def test_it_joins_what_was_cut(pieces: list[bytes], definite: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    inside = b"".join(map(der.octet_string, pieces))
    encoding = der.tlv(0x24, inside) if definite else b"\x24\x80" + inside + b"\x00\x00"
    assert Reader.of(encoding).octets() == b"".join(pieces)
