"""Whatever content goes in, with everything a message can hold at once, Python's parser gives it back, also after SMTP's dot-stuffing."""

import re
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailer.smime import headers
from mailer.smime.entity import Attachment, Content, Protection, build_entity, check
from mailer.smime.errors import ContentIdRefused, EntityError
from tests.mailer.smime.conftest import ALICE, BANK, CHARLIE
from tests.mailer.smime.test_entity import assert_wire, body_of, canonical, files, names, prose, read, subjects, texts

content_ids = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._+-]{0,20}[A-Za-z0-9])?(@[a-z0-9]{1,10}\.example)?", fullmatch=True)
images = st.builds(Attachment, names, st.sampled_from(["image/png", "image/jpeg", "IMAGE/gif"]), st.binary(max_size=200), content_ids)
PIXEL = Attachment("logo.png", "image/png", b"\x89PNG\r\n.\r\n", "logo@bank.example.com")

# Every name that may stand in what is built, whatever goes in.
NAMES = {"MIME-Version", "Subject", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"}


@st.composite
def contents(draw: st.DrawFn) -> Content:
    inline = draw(st.lists(images, max_size=3, unique_by=lambda image: image.content_id))
    html = draw((texts | prose) if inline else (texts | prose | st.none()))
    if html is not None:
        html += "".join(f'<img src="cid:{image.content_id}">' for image in inline)
    attached = draw(st.lists(files, max_size=2))
    return Content(draw(subjects), draw(texts | prose), html, draw(st.permutations([*inline, *attached])))


def stuffed(entity: bytes) -> bytes:
    """As a client sends it after DATA (RFC 5321 section 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", entity) + b".\r\n"


def received(data: bytes) -> bytes:
    """As a server takes it: up to the line of a single dot, and no further."""
    lines = data.split(b"\r\n")
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[: lines.index(b".")])


def is_image(part: EmailMessage) -> bool:
    return "Content-ID" in part


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(content=contents(), legacy_display=st.booleans())
@example(content=Content("", "a" * 71 + "From \n" + "a" * 75 + "\nFrom " + "b" * 70, None), legacy_display=False)
@example(content=Content(".", ".\r\n..\r\n.", "<p>.</p>\n.\n<img src=cid:logo@bank.example.com>", [PIXEL]), legacy_display=True)
@example(
    content=Content("é" * 500, "From ", "<BODY><img src='CID:logo%40bank.example.com'>", [PIXEL, Attachment("ü.pdf", "application/pdf", b"x")]),
    legacy_display=True,
)
def test_everything_comes_back(*, content: Content, legacy_display: bool) -> None:
    check(content)
    subject = headers.field(headers.Header.SUBJECT, headers.unstructured(content.subject))
    entity = build_entity(content, Protection(subject, legacy_display=legacy_display))
    assert_wire(entity)
    assert received(stuffed(entity)) == entity

    message = read(entity)
    assert message["Subject"] == content.subject
    assert message.get_param("hp") == "cipher"
    assert body_of(message, "plain") == canonical(f"Subject: {content.subject}\r\n\r\n{content.text}" if legacy_display else content.text)
    if content.html is not None and not legacy_display:
        assert body_of(message, "html") == canonical(content.html)
    parts = [part for part in message.walk() if isinstance(part, EmailMessage) and part.get_content_disposition()]
    for part in message.walk():
        if part["Content-Transfer-Encoding"] in {"quoted-printable", "base64"}:
            assert max(map(len, str(part.get_payload()).splitlines() or [""])) <= 76
    assert {name for part in message.walk() for name in part.keys()} <= NAMES  # noqa: SIM118 - a message is no dict
    for wanted, found in (
        ([each for each in content.attachments if each.content_id], [part for part in parts if is_image(part)]),
        ([each for each in content.attachments if not each.content_id], [part for part in parts if not is_image(part)]),
    ):
        assert [each.filename for each in wanted] == [part["Content-Disposition"].params["filename"] for part in found]
        assert [each.content_type.lower() for each in wanted] == [part.get_content_type() for part in found]
        assert [each.content for each in wanted] == [part.get_payload(decode=True) for part in found]
        assert [f"<{each.content_id}>" for each in wanted if each.content_id] == [part["Content-ID"] for part in found if is_image(part)]
        assert {"inline" if is_image(part) else "attachment" for part in found} == {part.get_content_disposition() for part in found}


def test_images_stand_beside_the_html_that_shows_them() -> None:
    """RFC 2387: the HTML first, its type told; what is no image of it stands outside."""
    content = Content("", "Text", '<img src="cid:logo@bank.example.com">', [Attachment("a.pdf", "application/pdf", b""), PIXEL])
    mixed = read(build_entity(content))
    assert [part.get_content_type() for part in mixed.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "application/pdf",
    ]  # fmt: skip
    [related] = [part for part in mixed.walk() if part.get_content_type() == "multipart/related"]
    assert related.get_param("type") == "text/html"


@pytest.mark.parametrize(
    ("html", "attachments", "place"),
    [
        (None, [PIXEL], 0),
        ("<p></p>", [PIXEL], 0),
        ("<img src=cid:logo@bank.example.com.charlie>", [PIXEL], 0),
        ("<img src=cid:LOGO@bank.example.com>", [PIXEL], 0),
        ("<img src=acid:logo@bank.example.com>", [PIXEL], 0),
        ("<img src=cid:logo@bank.example.com>", [PIXEL, PIXEL], 1),
        ("<img src=cid:logo@bank.example.com>", [PIXEL._replace(content_id=""), PIXEL._replace(content_type="text/html")], 1),
        ("<img src=cid:logo@bank.example.com>", [PIXEL._replace(content_type="application/pdf")], 0),
    ],
)
def test_an_image_that_the_html_does_not_show_is_refused(html: str | None, attachments: list[Attachment], place: int) -> None:
    for refuse in (check, build_entity):
        with pytest.raises(ContentIdRefused) as refused:
            refuse(Content("", "", html, attachments))
        assert refused.value.field == f"attachments/{place}/content_id"


# What may stand in an international local part: letters, marks, digits and symbols of any script.
letters = st.characters(categories=["L", "N", "M", "S"], min_codepoint=0xA1)
local_parts = st.lists(st.text(letters | st.sampled_from("abcXYZ019+_'"), min_size=1, max_size=8), min_size=1, max_size=3).map(".".join)


@settings(max_examples=200, deadline=None)
@given(local_parts.filter(lambda text: len(text.encode()) <= 64), st.text(letters | st.sampled_from("abc .,\"'<>@"), max_size=60))
@example("用户", "Müller & Söhne, Bonn")
@example("jürgen", f"{BANK}, {CHARLIE}")
@example("a", "x <charlie@example.org>")
def test_an_international_sender_is_one_address(local_part: str, name: str) -> None:
    """Python's parser reads UTF-8 in a header from text only."""
    try:
        value = headers.mailbox(f"{local_part}@example.net", name, field="from")
    except EntityError:
        # A mark or a symbol that is not visible by itself.
        assert not local_part.isascii()
        return
    field = headers.field(headers.Header.FROM, value)
    assert max(map(len, field.split(b"\r\n"))) <= 998
    [address] = message_from_string(field.decode() + "\r\n", policy=SMTPUTF8)["From"].addresses
    assert address.addr_spec == f"{local_part}@example.net"


def test_a_message_to_alice_names_nobody_else() -> None:
    assert headers.mailbox(ALICE, CHARLIE, field="to") == b'"' + CHARLIE.encode() + b'"\r\n <' + ALICE.encode() + b">"
