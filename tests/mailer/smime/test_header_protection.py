"""RFC 9788: what stands outside is told inside, and the organisation chooses whether the subject does."""

from email.message import EmailMessage

import pytest

from mailer.smime.entity import Attachment, Content
from tests.mailer.smime.conftest import ALICE, OpenSsl, Sealer
from tests.mailer.smime.test_entity import body_of
from tests.mailer.smime.test_foreign_program import FULL, PLAIN, read
from tests.pki import Authority, Usage

PICTURED = Content(
    'Ihr <b>Auszug</b> & "mehr"',
    "Text",
    '<html><head><title>T</title></head><body bgcolor="white"><img src="cid:logo@bank.example.com"></body></html>',
    [Attachment("logo.png", "image/png", b"\x89PNG", "logo@bank.example.com")],
)
CONTENTS = [PLAIN, FULL, PICTURED]
NAMES = ["plain", "full", "pictured"]
NEUTRAL = "Eine geschützte Nachricht der Beispielbank"
STRUCTURAL = {"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}


def sealed(content: Content, neutral: str | None, seal_for: Sealer, openssl: OpenSsl, authority: Authority) -> tuple[EmailMessage, EmailMessage]:
    """What everybody sees, and what Alice sees."""
    alice = authority.leaf(ALICE, "p256", Usage.ENCRYPT)
    message = seal_for(content, alice, neutral_subject=neutral)
    return read(message), read(openssl.verify(openssl.decrypt(message, alice), authority.roots_pem))


def fields(message: EmailMessage) -> dict[str, str]:
    return {name: str(value) for name, value in message.items() if name.lower() not in STRUCTURAL and name != "HP-Outer"}


@pytest.mark.parametrize("neutral", [None, NEUTRAL], ids=["keep", "neutral"])
@pytest.mark.parametrize("content", CONTENTS, ids=NAMES)
def test_every_field_outside_is_told_inside(authority: Authority, seal_for: Sealer, openssl: OpenSsl, content: Content, neutral: str | None) -> None:
    outside, inside = sealed(content, neutral, seal_for, openssl, authority)
    assert inside.get_param("hp") == "cipher"
    told = dict(str(value).split(": ", maxsplit=1) for value in inside.get_all("HP-Outer", []))
    assert {name: " ".join(value.split()) for name, value in told.items()} == {
        name: " ".join(value.split()) for name, value in fields(outside).items()
    }
    assert fields(inside) == fields(outside) | {"Subject": content.subject}
    assert len(inside.get_all("Subject", [])) == len(outside.get_all("Subject", [])) == 1


@pytest.mark.parametrize("content", CONTENTS, ids=NAMES)
def test_a_kept_subject_stands_outside_and_is_not_shown_twice(authority: Authority, seal_for: Sealer, openssl: OpenSsl, content: Content) -> None:
    outside, inside = sealed(content, None, seal_for, openssl, authority)
    assert outside["Subject"] == content.subject
    assert all(part.get_param("hp-legacy-display") is None for part in inside.walk())
    assert body_of(inside, "plain").splitlines() == content.text.splitlines()
    if content.html is not None:
        assert body_of(inside, "html") == content.html + "\r\n"


@pytest.mark.parametrize("content", CONTENTS, ids=NAMES)
def test_a_neutral_one_leaves_the_subject_to_those_who_open_the_message(
    authority: Authority, seal_for: Sealer, openssl: OpenSsl, content: Content
) -> None:
    outside, inside = sealed(content, NEUTRAL, seal_for, openssl, authority)
    assert outside["Subject"] == NEUTRAL
    assert inside["Subject"] == content.subject
    for part in inside.walk():
        shows = part.get_content_type() in {"text/plain", "text/html"}
        assert part.get_param("hp-legacy-display") == ("1" if shows else None)
    assert body_of(inside, "plain").startswith(f"Subject: {content.subject}\r\n\r\n{content.text[:4]}")


def test_the_html_shows_it_within_its_body_and_escaped(authority: Authority, seal_for: Sealer, openssl: OpenSsl) -> None:
    _, inside = sealed(PICTURED, NEUTRAL, seal_for, openssl, authority)
    assert PICTURED.html
    display = '<div class="header-protection-legacy-display"><pre>Subject: Ihr &lt;b&gt;Auszug&lt;/b&gt; &amp; &quot;mehr&quot;</pre></div>'
    assert body_of(inside, "html") == PICTURED.html.replace('<body bgcolor="white">', '<body bgcolor="white">' + display) + "\r\n"


@pytest.mark.parametrize("content", CONTENTS, ids=NAMES)
def test_charlie_learns_nothing_of_a_hidden_subject(authority: Authority, seal_for: Sealer, content: Content) -> None:
    message = seal_for(content, authority.leaf(ALICE, "p256", Usage.ENCRYPT), neutral_subject=NEUTRAL)
    head = read(message)
    assert content.subject not in " ".join(str(value) for value in head.values())
