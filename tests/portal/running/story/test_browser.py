"""The story's browser sends what a browser would: hidden fields, chosen values, files, and nothing a form does not have."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from portal.running.story.browser import Browser, BrowserError, Page, Upload, encode, read

HTML = b"""<html><head><title>Hidden title</title><style>.x{}</style></head><body><p>Shown <b>text</b></p>
<a href="/next/?a=1">Go <span>on</span></a>
<form method="post" action="save/" enctype="multipart/form-data"><input type="hidden" name="csrf" value="t&amp;k">
<input name="name" value="old"><input type="checkbox" name="scopes" value="a" checked><input type="checkbox" name="scopes" value="b">
<input type="radio" name="way" value="1"><input type="radio" name="way" value="2" checked><input name="off" value="x" disabled>
<select name="country"><option value="">-</option><option value="GB" selected>United Kingdom</option></select>
<textarea name="note">
first
second</textarea><input type="file" name="document"><button name="go" value="1">Save</button></form>
<p>bills<wbr>@bank<wbr>.example.com</p><script>var hidden = 1;</script></body></html>"""


@pytest.fixture
def page() -> Page:
    return read("http://127.0.0.1:1/form/", 200, {"content-type": "text/html; charset=utf-8"}, HTML)


def test_it_reads_a_form_as_it_stands(page: Page) -> None:
    form = page.form("name", "document", to="/save/")
    assert form.action == "http://127.0.0.1:1/form/save/"
    assert (form.method, form.multipart) == ("post", True)
    assert form.values == [("csrf", "t&k"), ("name", "old"), ("scopes", "a"), ("way", "2"), ("country", "GB"), ("note", "first\nsecond")]


def test_it_reads_what_a_person_sees(page: Page) -> None:
    assert page.text == "Shown text Go on Save bills@bank.example.com".replace("Go on Save", "Go on - United Kingdom first second Save")
    assert page.link("/next/") == "http://127.0.0.1:1/next/?a=1"


def test_it_names_what_a_page_does_not_have(page: Page) -> None:
    with pytest.raises(BrowserError, match="no form with password"):
        page.form("password")
    with pytest.raises(BrowserError, match="no link with"):
        page.link("/admin/")
    with pytest.raises(BrowserError, match="has no off"):
        Browser("http://127.0.0.1:1").submit(page, page.form("name"), off="y")


def test_it_goes_to_no_other_server() -> None:
    with pytest.raises(BrowserError, match=r"not on http://127\.0\.0\.1:1"):
        Browser("http://127.0.0.1:1").open("http://127.0.0.1:2/")


def test_it_encodes_files_and_text_as_one_body() -> None:
    body, kind = encode([("name", "信"), ("document", Upload("a.pdf", "application/pdf", b"\x00\r\n--x"))], multipart=True)
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    assert isinstance(message, EmailMessage)
    name, document = message.iter_parts()
    assert name.get_payload(decode=True) == "信".encode()
    assert (document.get_filename(), document.get_content_type()) == ("a.pdf", "application/pdf")
    assert document.get_payload(decode=True) == b"\x00\r\n--x"
