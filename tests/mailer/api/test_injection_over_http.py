"""Nothing handed in becomes a header, a recipient or a mail of its own: each wrong value is a 422 that points at it and says what to do, and
what is accepted arrives, through a real relay, as exactly the mail that was meant, outside and inside.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any

import pytest

from directory.x509.names import EmailAddress
from mailer.models import Message
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.api.bodies import ITEM, TO, Send, errors, request_of
from tests.mailer.letters import Desk, publish_for

CHARLIE = "charlie@shop.example.net"
SEPARATORS = [
    "\r\n", "\n", "\r", "\n\r", "\r\n ", "\r\n\t", "\n ", "\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f",
    "\x85", "\x9b", "\u2028", "\u2029",
]  # fmt: skip
SMUGGLED = [f"Bcc: {CHARLIE}", f"\r\nBcc: {CHARLIE}\r\n\r\nHello", "Content-Type: text/html", ".\r\nMAIL FROM:<x@example.net>"]
FILE: dict[str, Any] = {"filename": "a.txt", "content_type": "text/plain", "content": ""}
IMAGE: dict[str, Any] = {"filename": "logo.png", "content_type": "image/png", "content": base64.b64encode(b"\x89PNG").decode(), "content_id": "logo"}


def body_with(place: str, value: str) -> tuple[dict[str, Any], str]:
    """A request with this value in this place, and the pointer to it."""
    if place == "from":
        return {**request_of(ITEM), "from": value}, "/from"
    if place in FILE:
        return request_of({**ITEM, "attachments": [FILE, {**FILE, place: value}]}), f"/messages/0/attachments/1/{place}"
    if place == "content_id":
        item = {**ITEM, "html": '<img src="cid:logo">', "attachments": [{**IMAGE, place: value}]}
        return request_of(item), f"/messages/0/attachments/0/{place}"
    return request_of({**ITEM, place: value}), f"/messages/0/{place}"


STARTS = {"to": TO, "from": "bills@bank.example.com", "content_type": "text/plain", "content": "aGVsbG8="}


@pytest.mark.parametrize("place", ["to", "from", "subject", "reference", "filename", "content_type", "content_id", "content"])
def test_it_lets_no_line_end_and_no_control_into_a_header(place: str, send: Send) -> None:
    start, wrong = STARTS.get(place, "logo"), {}
    for separator in SEPARATORS:
        for text in (*(f"{start}{separator}{smuggled}" for smuggled in SMUGGLED), f"{separator}{start}", f"{start}{separator}"):
            body, pointer = body_with(place, text)
            told = errors(send(body))
            if list(told) != [pointer] or len(told[pointer]) < 15 or CHARLIE in told[pointer]:
                wrong[text] = told
    assert wrong == {}


ADDRESSES = [
    "", " ", "@", "bob", "bob@", "@people.example.org", "bob@localhost",
    # dots and blanks
    "bob@people.example.org.", "bob@.people.example.org", "bob@people..example.org", ".bob@people.example.org", "bob.@people.example.org",
    "b..ob@people.example.org", " bob@people.example.org", "bob@people.example.org ", "bob @people.example.org", "bob@ people.example.org",
    "bob@peo ple.example.org", "bob\t@people.example.org",
    # quoting
    '"bob"@people.example.org', '"b ob"@people.example.org', '"bob\\"@evil"@people.example.org', "b\\ob@people.example.org",
    # literals
    "bob@[127.0.0.1]", "bob@[IPv6:::1]", "bob@127.0.0.1", "bob@1.2.3.4",
    # routes
    "bob%evil.example.net@people.example.org", "evil.example.net!bob@people.example.org", "@evil.example.net:bob@people.example.org",
    "@a.example.net,@b.example.net:bob@people.example.org", "bob@evil.example.net@people.example.org",
    # comments, groups, names, lists
    "bob(charlie)@people.example.org", "bob@people.example.org (Bob)", "(x)bob@people.example.org", "bob@(x)people.example.org",
    "friends:bob@people.example.org;", "friends:;", "Bob <bob@people.example.org>", "<bob@people.example.org>", "bob@people.example.org>",
    "<bob@people.example.org", "bob@people.example.org,charlie@shop.example.net", "bob@people.example.org;charlie@shop.example.net",
    "bob@people.example.org charlie@shop.example.net", "mailto:bob@people.example.org", "bob@people.example.org?bcc=charlie@shop.example.net",
    "bob@people.example.org\\ncharlie@shop.example.net", "=?utf-8?q?bob=40people.example.org?=@people.example.org",
    # labels and lengths
    "bob@-people.example.org", "bob@people-.example.org", "bob@peo_ple.example.org", "bob@people.example.123", f"bob@{'a' * 64}.example.org",
    f"{'a' * 65}@people.example.org", f"{'ä' * 33}@people.example.org", f"bob@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.example.org",
    # beyond ASCII: labels that stand for no name, what nobody sees, what looks like something else
    "bob@xn--zz.example.org", "bob@xn--.example.org", "bob@☺.example.org", "b\u200bob@people.example.org",
    "b\u202eob@people.example.org", "b\u2066ob@people.example.org", "\ufeffbob@people.example.org", "bob\uff20people.example.org",
    "\uff42ob@people.example.org", "ä,b@people.example.org", "ä<b@people.example.org", "ä\u00a0b@people.example.org",
]  # fmt: skip


@pytest.mark.parametrize("place", ["to", "from"])
def test_it_takes_one_plain_address_and_says_how_one_looks(place: str, send: Send) -> None:
    wrong = {}
    for address in ADDRESSES:
        body, pointer = body_with(place, address)
        told = errors(send(body))
        if list(told) != [pointer] or "name@example.com" not in told[pointer]:
            wrong[address] = told
    assert wrong == {}


WRONG: Mapping[str, list[str]] = {
    "filename": [
        "", ".", "..", "...", " ", ". .", "../a", "..\\a", "a/b", "a\\b", "/etc/passwd", "C:\\a.txt", "x" * 256, "invoice\u202efdp.exe", "a\u202db",
        "a\u2066b", "a\u2069b",
    ],
    "content_type": [
        "", "/", "text", "text/", "/plain", "text/plain/x", "text/plain; charset=utf-8", 'text/plain; name="a"', "text plain", "text/pl ain", "*/*",
        "multipart/mixed", "Multipart/Alternative", "message/rfc822", "MESSAGE/external-body", "text/pläin", "text/" + "x" * 200, "<text>/plain",
    ],
    "content_id": [
        "@", "logo@", "@example.com", "a b", "<logo>", "logo>", "a@b@c", "ä", "a%40b", ".a", "a.", "-a", "a" * 128, 'a"b', "a&b", "a'b", "a<b",
        "cid:a", "a/b", "a?b", "a;b", "a,b", "a:b", "(a)",
    ],
    "content": ["#", "YQ", "YQ=", "Y Q==", "YQ==\n", "ä", "data:text/plain;base64,YQ=="],
    "reference": ["x" * 256, "a\u200bb", "a\u202eb"],
    "subject": ["x" * 999],
}  # fmt: skip


@pytest.mark.parametrize("place", WRONG)
def test_it_points_at_each_wrong_value(place: str, send: Send) -> None:
    wrong = {}
    for value in WRONG[place]:
        body, pointer = body_with(place, value)
        told = errors(send(body))
        if list(told) != [pointer] or len(told[pointer]) < 15:
            wrong[value] = told
    assert wrong == {}


@pytest.mark.parametrize(
    ("html", "images"),
    [
        (None, [IMAGE]),
        ("<p>no image</p>", [IMAGE]),
        ('<img src="cid:other">', [IMAGE]),
        ('<img src="cid:logo">', [{**IMAGE, "content_type": "text/html"}]),
        ('<img src="cid:logo">', [{**IMAGE, "content_type": "application/pdf"}]),
    ],
)
def test_it_takes_an_inline_image_only_where_the_html_shows_it(html: str | None, images: list[dict[str, Any]], send: Send) -> None:
    item = {**ITEM, "attachments": images} | ({"html": html} if html is not None else {})
    assert list(errors(send(request_of(item)))) == ["/messages/0/attachments/0/content_id"]


def test_it_takes_each_content_id_once(send: Send) -> None:
    item = {**ITEM, "html": '<img src="cid:logo">', "attachments": [IMAGE, IMAGE]}
    assert list(errors(send(request_of(item)))) == ["/messages/0/attachments/1/content_id"]


@dataclass(frozen=True)
class Meant:
    """A message that looks like an attack and is none; what is not given is as in `ITEM`."""

    item: dict[str, Any]
    to: str = TO
    files: dict[str, bytes] = field(default_factory=dict)


ENCODED = "=?utf-8?q?a=0D=0ABcc:_charlie=40shop.example.net=0D=0A?="
TRICKS = f"Hello\r\nBcc: {CHARLIE}\r\n\r\n.\r\nQUIT\r\n..\r\nMAIL FROM:<x@example.net>\r\n--=_boundary--\r\nFrom x\nlast"


def with_file(name: str, **more: str) -> Meant:
    return Meant(
        {"attachments": [{**FILE, "filename": name, "content": base64.b64encode(name.encode()).decode(), **more}]}, files={name: name.encode()}
    )


MEANT = [
    Meant({"subject": f"Bcc: {CHARLIE}"}),
    Meant({"subject": ENCODED, "reference": ENCODED}),
    Meant({"subject": "  blanks   about  "}),
    Meant({"subject": "您的对账单, März: " + "long " * 60}),
    Meant({"subject": "x" * 998}),
    Meant({"subject": ""}),
    Meant({"text": TRICKS}),
    Meant({"text": "\n".join([".", "..", "." * 2000, "x" * 5000, "\u2028\u0085\x0b"])}),
    Meant({"text": "Hello", "html": f"<p>{TRICKS}</p><script>alert(1)</script>"}),
    Meant({"reference": f"Bcc: {CHARLIE}"}),
    with_file('a"; filename="b.exe'),
    with_file("a; name=b.exe"),
    with_file("a%0D%0ABcc: charlie.txt"),
    with_file(ENCODED),
    with_file("utf-8''%2e%2e%2fa"),
    with_file("对账单 2026 März.pdf"),
    with_file("CON.txt"),
    with_file("-rf *"),
    with_file("a" * 255),
    with_file("logo.png", content_type="application/vnd.oasis.opendocument.text"),
    Meant({}, to="bob+tag@people.example.org"),
    Meant({}, to="o'hara!$&*=?^`{|}~@people.example.org".replace("!", "")),
    Meant({}, to="Bob@PEOPLE.example.org"),
    Meant({}, to="jürgen@people.example.org"),
    Meant({}, to="用户@bücher.example.org"),
]
OUTSIDE = [
    "Auto-Submitted", "Content-Disposition", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject",
    "To",
]  # fmt: skip
INSIDE = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"]
OF_THE_PART = {"Content-Transfer-Encoding", "HP-Outer"}


def names_of(raw: bytes) -> list[str]:
    """The names of the header fields as bytes tell them, whatever a library makes of them."""
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    return sorted(re.fullmatch(rb"([!-9;-~]+): ?.*", line, re.DOTALL)[1].decode() for line in re.split(rb"\r\n(?![ \t])", head))  # type: ignore[index]


def test_what_looks_like_an_attack_arrives_as_it_was_meant(send: Send, inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    holders = {}
    for to in sorted({meant.to for meant in MEANT}):
        holders[to] = desk.authority.leaf(EmailAddress.parse(to).address)
        publish_for(holders[to], to, at=now)
    response = send(request_of(*({**ITEM, "to": meant.to, **meant.item} for meant in MEANT)))
    assert response.status_code == 202, response.content
    drain(at=now)
    rows = list(Message.objects.order_by("position"))
    assert {row.status for row in rows} == {"handed"}
    received = inbox_server.inbox.mails()
    assert len(received) == len(MEANT)
    by_id = {message_from_bytes(mail.content, policy=SMTP)["Message-ID"]: mail for mail in received}
    for meant, row in zip(MEANT, rows, strict=True):
        mail, item = by_id[row.message_id], {**ITEM, **meant.item}
        assert (mail.sender, mail.recipients) == ("bills@bank.example.com", (row.recipient,))
        assert names_of(mail.content) == OUTSIDE
        assert CHARLIE.encode() not in mail.content
        desk.open(mail.content, holders[meant.to])
        raw = (desk.folder / "entity").read_bytes()
        inner = message_from_bytes(raw, policy=default)
        assert [name for name in names_of(raw) if name not in OF_THE_PART] == INSIDE
        assert inner["Subject"] == item["subject"]
        assert f"\r\nTo: {row.recipient}\r\n".encode() in raw.partition(b"\r\n\r\n")[0]
        assert [address.addr_spec for address in inner["From"].addresses] == ["bills@bank.example.com"]
        assert words_of(inner).endswith(lines_of(item["text"]))
        assert {part.get_filename(): part.get_payload(decode=True) for part in inner.iter_attachments()} == meant.files


def words_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return lines_of(payload.decode())


def lines_of(text: str) -> str:
    """RFC 2046 section 4.1.1: however it was written, a line of text ends in CRLF on the wire."""
    return re.sub("\r\n|\r|\n", "\n", text).rstrip("\n")


def test_an_inline_image_arrives_beside_the_html_that_shows_it(send: Send, inbox_server: InboxServer, desk: Desk, now: datetime) -> None:
    holder = desk.authority.leaf(TO)
    publish_for(holder, TO, at=now)
    item = {**ITEM, "html": '<p>Hi</p><img src="cid:logo" alt="">', "attachments": [IMAGE, FILE]}
    assert send(request_of(item)).status_code == 202
    drain(at=now)
    mail = desk.open(inbox_server.inbox.mails(TO)[0].content, holder).mail
    shapes = [(part.get_content_type(), part["Content-ID"], part.get_filename()) for part in mail.walk()]
    assert shapes == [
        ("multipart/mixed", None, None),
        ("multipart/alternative", None, None),
        ("text/plain", None, None),
        ("multipart/related", None, None),
        ("text/html", None, None),
        ("image/png", "<logo>", "logo.png"),
        ("text/plain", None, "a.txt"),
    ]
