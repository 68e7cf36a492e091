"""What the story's people bring: authenticators, passwords kept for the owner alone, an extract of the register."""

import base64
import time
from pathlib import Path

import pypdfium2
import pytest

from portal.running.story import codes
from portal.running.story.applying import one_page_pdf
from portal.running.story.stage import Logins, Person

# RFC 6238 appendix B, the last six digits.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")])
def test_it_computes_the_codes_of_the_rfc(at: float, code: str) -> None:
    grouped = " ".join(RFC_SECRET[start : start + 4] for start in range(0, 32, 4)).lower()
    assert codes.code(RFC_SECRET, at=at) == codes.code(grouped, at=at) == code


def test_it_gives_no_code_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda _seconds: now.__setitem__(0, now[0] + 1))
    person = Person("Alice", "alice@bank.example.com", "x", RFC_SECRET)
    given = [person.code() for _ in range(4)]
    assert len(set(given)) == 4
    # The third had to wait until it was at most one step early.
    assert person.used_step <= now[0] // codes.STEP_SECONDS + 1


def test_it_keeps_logins_for_the_owner_alone(tmp_path: Path) -> None:
    alice, rita = Person("Alice", "alice@bank.example.com", "p1", "S1", "owner", 7), Person("Rita", "rita@desk.example.org", "p2", "S2", "reviewer")
    logins = Logins(tmp_path)
    logins.keep(alice)
    logins.keep(rita)
    assert Logins(tmp_path).people() == {alice.address: alice, rita.address: rita}
    assert logins.path.stat().st_mode & 0o777 == 0o600


def test_it_makes_a_document_that_a_reader_opens() -> None:
    document = pypdfium2.PdfDocument(one_page_pdf("Extract: Example Bank (UK) Ltd"))
    assert len(document) == 1
    page = document[0]
    text = page.get_textpage()
    assert text.get_text_range().strip() == "Extract: Example Bank (UK) Ltd"
    text.close()
    page.close()
    document.close()
