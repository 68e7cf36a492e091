"""Whatever a business system says arrives as it was said: Python's own parser reads every entity back."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailer.smime import headers
from mailer.smime.entity import MAX_ATTACHMENTS, MAX_CONTENT, Attachment, Content, Protection, build_entity, check
from mailer.smime.errors import MediaTypeRefused, TooLarge, UnsafeCharacter

LINE_ENDS = {"\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"}
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=400)
prose = st.text("ab zß. \t\r\n=F=€漢\x0c", max_size=2000) | st.lists(
    st.sampled_from(["From ", "Fro", ".", "..", " ", "\t", "\n", "\r", "x" * 200, "=3D"])
).map("".join)
one_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200)
subjects = one_line | st.text("ab =?_\t é漢", max_size=300).map(lambda text: text.replace("\t", " "))
names = one_line.filter(lambda name: 1 <= len(name) <= headers.MAX_FILENAME and "/" not in name and "\\" not in name).filter(
    lambda name: name.strip(". ") and not headers._DIRECTION.search(name)
)
files = st.builds(
    Attachment,
    names,
    st.sampled_from(["application/pdf", "text/csv", "image/png", "application/vnd.example+json"]),
    st.binary(max_size=300),
    st.just(""),
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def read(entity: bytes) -> EmailMessage:
    message = message_from_bytes(entity, policy=default)
    assert isinstance(message, EmailMessage)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


def body_of(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    payload = body.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def canonical(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return text if text.endswith("\r\n") else text + "\r\n"


def assert_wire(entity: bytes) -> None:
    assert entity.partition(b"\r\n\r\n")[0].isascii()
    assert entity.isascii() or b"Content-Transfer-Encoding: 8bit\r\n" in entity
    assert b"\x00" not in entity
    assert entity.count(b"\r") == entity.count(b"\n") == entity.count(b"\r\n")
    assert max(map(len, entity.split(b"\r\n"))) <= 998


@quick
@given(texts | prose, texts | prose | st.none())
@example("From here\nFrom there", None)
@example("a" * 998, None)
@example("a" * 999, "<p>" + "b" * 1200 + "</p>")
@example("trailing \nblanks\t\n", None)
@example(".\n..\n.", None)
@example("", "")
def test_it_carries_text_and_its_html_twin(text: str, html: str | None) -> None:
    entity = build_entity(Content("", text, html))
    assert_wire(entity)
    message = read(entity)
    assert body_of(message, "plain") == canonical(text)
    if html is not None:
        assert message.get_content_type() == "multipart/alternative"
        assert body_of(message, "html") == canonical(html)


@quick
@given(st.lists(files, min_size=1, max_size=3))
@example([Attachment("ü" * 255, "application/pdf", b"")])
@example([Attachment('a"b;c.pdf', "application/pdf", b"\r\n.\r\n")])
@example([Attachment("100%20.txt", "text/plain", b"--=_\r\n")])
def test_it_carries_attachments(attachments: list[Attachment]) -> None:
    entity = build_entity(Content("", "See the attachment.", None, attachments))
    assert_wire(entity)
    assert max(map(len, entity.split(b"\r\n"))) <= 76
    found = list(read(entity).iter_attachments())
    assert [(part["Content-Disposition"].params["filename"], part.get_content_type(), part.get_payload(decode=True)) for part in found] == [
        each[:3] for each in attachments
    ]


@quick
@given(subjects)
@example("a=?utf-8?Q?b?=")
@example(" leading and trailing ")
@example("word " * 100)
@example("x" * 998)
@example("é" * 998)
def test_it_carries_any_subject(subject: str) -> None:
    field = headers.field(headers.Header.SUBJECT, headers.unstructured(subject))
    assert_wire(field)
    assert max(map(len, field.split(b"\r\n"))) <= 76
    assert field.count(b"\r\n") == field.count(b"\r\n ") + 1
    assert read(field + b"\r\n")["Subject"] == subject


@quick
@given(one_line.filter(lambda name: len(name) <= headers.MAX_FILENAME))
@example('A "quoted" Bank, Ltd.')
@example("Müller & Söhne")
@example("=?utf-8?Q?x?=")
@example("bills@other.example.com")
@example("x" * 255)
def test_it_carries_any_display_name(name: str) -> None:
    field = headers.field(headers.Header.FROM, headers.mailbox("bills@bank.example.com", name, field="from"))
    assert_wire(field)
    assert field.count(b"\r\n") == field.count(b"\r\n ") + 1
    [address] = read(field + b"\r\n")["From"].addresses
    assert address.addr_spec == "bills@bank.example.com"
    # The policy's parser leaves the blanks between encoded words in a phrase; RFC 2047 section 6.2 and the older functions drop them.
    [(phrase, _)] = getaddresses([field.decode().removeprefix("From: ")])
    assert " ".join(str(make_header(decode_header(phrase))).split()) == " ".join(name.split())


def test_it_puts_the_protected_fields_on_the_entity_itself() -> None:
    content = Content("Statement", "Text", "<html><BODY class='x'>Text</BODY></html>", [Attachment("a.pdf", "application/pdf", b"x")])
    message = read(build_entity(content, Protection(b"Subject: Statement\r\nHP-Outer: Subject: Message\r\n", legacy_display=True)))
    assert message["Subject"] == "Statement"
    assert message.get_param("hp") == "cipher"
    assert body_of(message, "plain") == "Subject: Statement\r\n\r\nText\r\n"
    assert body_of(message, "html").startswith(
        "<html><BODY class='x'><div class=\"header-protection-legacy-display\"><pre>Subject: Statement</pre></div>Text"
    )


def test_it_escapes_the_subject_that_it_shows_in_html() -> None:
    entity = build_entity(Content("<script>alert(1)</script>", "Text", "<p>Text</p>"), Protection(b"", legacy_display=True))
    assert "<script>" not in body_of(read(entity), "html")


@pytest.mark.parametrize(
    ("content", "field", "error"),
    [
        (Content("x" * 999, ""), "subject", TooLarge),
        (Content("a\nb", ""), "subject", UnsafeCharacter),
        (Content("", "a\x00b"), "text", UnsafeCharacter),
        (Content("", "a\ud800b"), "text", UnsafeCharacter),
        (Content("", "", "a\x00b"), "html", UnsafeCharacter),
        (Content("", "x" * (MAX_CONTENT + 1)), "text", TooLarge),
        (Content("", "é" * (MAX_CONTENT // 2 + 1)), "text", TooLarge),
        (Content("", "", "漢" * (MAX_CONTENT // 3 + 1)), "text", TooLarge),
        (Content("", "", None, [Attachment("a", "text/plain", bytes(MAX_CONTENT + 1))]), "attachments", TooLarge),
        (Content("", "", None, [Attachment("a", "text/plain", b"")] * (MAX_ATTACHMENTS + 1)), "attachments", TooLarge),
        (Content("", "", None, [Attachment("a", "text/plain", b""), Attachment("", "text/plain", b"")]), "attachments/1/filename", TooLarge),
        (Content("", "", None, [Attachment("a", "message/rfc822", b"")]), "attachments/0/content_type", MediaTypeRefused),
    ],
)
def test_it_refuses_at_the_door_and_names_the_place(content: Content, field: str, error: type[TooLarge]) -> None:
    with pytest.raises(error) as refused:
        check(content)
    assert refused.value.field == field


def test_it_lets_good_content_in() -> None:
    check(Content("", "é" * (MAX_CONTENT // 2)))
    check(Content("Grüße", "Text\n", "<p>Text</p>", [Attachment("März.pdf", "application/pdf", b"%PDF")]))
