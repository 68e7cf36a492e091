"""Nothing from outside becomes a header field, a part or a line of its own."""

from email import message_from_bytes
from email.policy import default

import pytest

from mailer.smime import headers
from mailer.smime.entity import Attachment, Content, Protection, build_entity
from mailer.smime.errors import AddressRefused, ContentIdRefused, EntityError, MediaTypeRefused, SmimeError, TooLarge, UnsafeCharacter
from tests.mailer.smime.conftest import ALICE, BANK, CHARLIE, Sealer
from tests.pki import Authority, Usage

SEPARATORS = [
    "\r\n",
    "\n",
    "\r",
    "\n\r",
    "\r\n ",
    "\r\n\t",
    "\x00",
    "\x0b",
    "\x0c",
    "\x1b",
    "\x1c",
    "\x7f",
    "\x85",
    "\x9b",
    "\u2028",
    "\u2029",
    "\ud800",
]
SMUGGLED = f"Bcc: {CHARLIE}"


@pytest.mark.parametrize("place", ["subject", "neutral_subject", "filename"])
@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_it_refuses_line_ends_and_controls_in_every_header(authority: Authority, seal_for: Sealer, separator: str, place: str) -> None:
    text = f"Statement{separator}{SMUGGLED}"
    content = Content(
        text if place == "subject" else "Statement", "Text", None, [Attachment(text if place == "filename" else "a.pdf", "application/pdf", b"")]
    )
    with pytest.raises(UnsafeCharacter) as refused:
        seal_for(content, authority.leaf(ALICE, "p256", Usage.ENCRYPT), neutral_subject=text if place == "neutral_subject" else None)
    assert refused.value.field == place
    assert CHARLIE not in str(refused.value)


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_it_refuses_them_in_addresses_and_names(separator: str) -> None:
    for address in (f"{ALICE}{separator}{SMUGGLED}", f"{separator}{ALICE}", f"{ALICE}{separator}", f"alice{separator}@example.net"):
        with pytest.raises(AddressRefused):
            headers.address(address, field="to")
    with pytest.raises(UnsafeCharacter):
        headers.mailbox(BANK, f"Bank{separator}{SMUGGLED}", field="from")
    with pytest.raises(EntityError):
        headers.message_id(f"<a{separator}@example.com>")
    with pytest.raises(MediaTypeRefused):
        headers.media_type(f"application/pdf{separator}{SMUGGLED}")
    for content_id in (f"logo{separator}{SMUGGLED}", f"{separator}logo", f"logo{separator}", f"logo@x{separator}.example.com"):
        with pytest.raises(ContentIdRefused):
            headers.content_id(content_id)


ENCODED = "=?utf-8?q?a=0D=0ABcc:_charlie=40example.org=0D=0A=0D=0Ab?="


def test_it_does_not_let_an_encoded_word_be_read_as_one(authority: Authority, seal_for: Sealer) -> None:
    """What looks like one is text, and comes back as that text from every header."""
    content = Content(ENCODED, ENCODED, None, [Attachment(ENCODED.replace("/", ""), "application/pdf", b"")])
    entity = build_entity(content, Protection(headers.field(headers.Header.SUBJECT, headers.unstructured(ENCODED)), legacy_display=True))
    inner = message_from_bytes(entity, policy=default)
    assert inner["Subject"] == ENCODED
    [attachment] = inner.iter_attachments()
    assert attachment.get_filename() == ENCODED
    outer = message_from_bytes(seal_for(content, authority.leaf(ALICE, "p256", Usage.ENCRYPT)), policy=default)
    name = message_from_bytes(b"From: " + headers.mailbox(BANK, ENCODED, field="from") + b"\r\n\r\n", policy=default)
    assert outer["Subject"] == ENCODED
    assert name["From"].addresses[0].addr_spec == BANK
    for message in (inner, outer, name):
        assert "Bcc" not in message
        assert CHARLIE.encode() not in message.as_bytes().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    "content_id",
    ["", "@", "logo@", "@example.com", "a b", "<a>", "a>", "a@b@c", "ä", "a%40b", ".a", "a.", "-a", "a" * 128, 'a"b', "a&b", "cid:a", "a/b", "a?b"],
)
def test_it_takes_only_a_plain_content_id(content_id: str) -> None:
    with pytest.raises(ContentIdRefused):
        headers.content_id(content_id)


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "alice", "alice@", "@example.net", "alice@localhost", "alice@example.net.", ".alice@example.net", "alice.@example.net",
        "al..ice@example.net", "alice@-example.net", "alice@example-.net", "alice@exa_mple.net", "alice@[127.0.0.1]", '"alice"@example.net',
        "alice@example.net,charlie@example.org", "alice@example.net charlie@example.org", "Alice <alice@example.net>", "<alice@example.net>",
        "alice@example.net>", "alice(charlie)@example.net", "alice:;@example.net", "äl ice@example.net", "äl\u200bice@example.net",
        "ä,b@example.net", "ä\u2028@example.net",
        "alice@exämple.net", "a@b@example.net",
        "=?utf-8?q?=61lice=40example.org?=@example.net", "=?x?b?Y2hhcmxpZUBleGFtcGxlLm9yZw==?=@example.net", "ä=?utf-8?q?x?=@example.net",
        f"{'a' * 65}@example.net", f"{'ä' * 33}@example.net", f"alice@{'a' * 64}.net", f"alice@{'a.' * 130}net",
    ],
)  # fmt: skip
def test_it_takes_one_strict_address(address: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        headers.mailbox(address, field="to")
    assert refused.value.field == "to"


@pytest.mark.parametrize(
    "address",
    [
        ALICE,
        "jürgen@example.net",
        "用户@example.org",
        "a@b.example.com",
        "first.last+tag@sub.example.org",
        f"{'a' * 64}@example.net",
        "o'hara!#$%&*/=?^_`{|}~-@xn--mnchen-3ya.example.com",
    ],
)
def test_it_keeps_a_good_address_as_it_is(address: str) -> None:
    assert headers.mailbox(address, field="to") == address.encode()


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_it_bounds_a_file_name(name: str) -> None:
    with pytest.raises(TooLarge):
        headers.filename(name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "a\\b", ".", "..", " ", "...", "invoice\u202efdp.exe", "a\u2066b"])
def test_it_refuses_a_file_name_that_leads_astray(name: str) -> None:
    with pytest.raises(UnsafeCharacter):
        headers.filename(name)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "pdf",
        "/",
        "application/",
        "/pdf",
        "a b/c",
        "text/plain; charset=x",
        "multipart/mixed",
        "MULTIPART/x",
        "message/rfc822",
        "a/b/c",
        "ä/b",
        "x" * 128 + "/y",
    ],
)
def test_it_takes_only_a_plain_media_type(media_type: str) -> None:
    with pytest.raises(MediaTypeRefused):
        headers.media_type(media_type)


@pytest.mark.parametrize(
    "message_id",
    ["", "<>", "a@example.com", "<a@example.com", "<a>", "<a@example.com> <b@example.com>", "<a b@example.com>", f"<{'a' * 260}@example.com>"],
)
def test_it_takes_only_a_plain_message_id(message_id: str) -> None:
    with pytest.raises(SmimeError):
        headers.message_id(message_id)


def test_it_cannot_be_talked_into_another_part() -> None:
    """A body that tries to guess a boundary, or to end the header, stays a body."""
    hostile = "--=_0\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--=_0--\r\n"
    first, second = (build_entity(Content("", hostile, "<p></p>", [Attachment("a", "text/plain", hostile.encode())])) for _ in range(2))
    boundaries = [entity.split(b'boundary="')[1].split(b'"')[0] for entity in (first, second)]
    assert boundaries[0] != boundaries[1]
    assert all(len(boundary) == 34 for boundary in boundaries)
