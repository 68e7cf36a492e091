"""Content-Security-Policy: everything is forbidden, then our own files are allowed; nothing is inline."""

import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from mailer.models import MessageStatus
from tests.portal.conftest import Letter
from tests.portal.people import Cast, Person

ROOT = Path(__file__).resolve().parents[2]
INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+\s*=|javascript:", re.IGNORECASE)
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe|source|form|use)\b[^>]*\b(?:src|href|action)=["'](?:https?:)?//""", re.IGNORECASE)
WANTED = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'self'", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
}  # fmt: skip


def policy(header: str) -> set[str]:
    return {part.strip() for part in header.split(";") if part.strip()}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/lookup", "/developers/", "/nothing-here/", "/robots.txt"])
def test_it_starts_from_none_on_every_page(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert policy(headers["Content-Security-Policy"]) == WANTED
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_no_page_has_anything_inline_or_from_elsewhere(cast: Cast, letter: Letter) -> None:
    message, held = letter(), letter(status=MessageStatus.HELD)
    owner, operator = cast.client(Person.OWNER), cast.client(Person.OPERATOR)
    pages = [owner.get(reverse(name, args=[cast.organization.pk])) for name in ("dashboard", "send-log", "certificate", "sending", "tokens")]
    pages += [owner.get(reverse(name, args=[cast.organization.pk, held.pk])) for name in ("message", "message-cancel")]
    pages.append(operator.get(reverse("operations")))
    pages += [
        operator.get(path) for path in ("/admin/", reverse("admin:mailer_message_changelist"), reverse("admin:directory_organization_changelist"))
    ]
    pages.append(operator.get(reverse("admin:mailer_message_change", args=[message.pk])))
    pages += [Client().get(path) for path in ("/", "/lookup?email=dora@example.com", "/developers/", "/nothing-here/")]
    for page in pages:
        assert policy(page.headers["Content-Security-Policy"]) == WANTED
        assert INLINE.findall(re.sub(r"<pre.*?</pre>", "", page.text, flags=re.DOTALL)) == [], page.wsgi_request.path
        assert OUTSIDE.findall(page.text) == []


def test_no_template_has_anything_inline() -> None:
    """Mails are no pages and have no policy."""
    templates = [path for path in ROOT.glob("**/templates/**/*.html") if "mail" not in path.parts and ".venv" not in path.parts]
    assert len(templates) > 20
    assert [str(path) for path in templates if INLINE.search(path.read_text(encoding="utf-8"))] == []


def test_no_style_sheet_reaches_elsewhere() -> None:
    for path in (ROOT / "static").rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//|url\(\s*[\"']?data:", path.read_text(encoding="utf-8")), path
