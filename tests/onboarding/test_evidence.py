"""Documents: what is taken, what is refused and why, that they rest encrypted, and who reads them."""

import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from onboarding import evidence, workflow
from onboarding.applications import Application, ApplicationEvent, Evidence
from onboarding.evidence import FileTooLargeError, SameFileError, TooManyFilesError
from onboarding.moving import NotOpenError
from onboarding.people.models import User
from onboarding.sniffing import DamagedFileError, MediaType, NotEvidenceError, sniff
from tests.onboarding.conftest import MONDAY
from tests.onboarding.files import PDF, picture

PNG, JPEG, PROGRESSIVE = picture("PNG"), picture("JPEG"), picture("JPEG", progressive=True)


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("run.exe", b"MZ")
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PDF, MediaType.PDF), (PDF.rstrip(), MediaType.PDF), (PNG, MediaType.PNG), (JPEG, MediaType.JPEG), (PROGRESSIVE, MediaType.JPEG)],
)
def test_it_knows_a_kind_by_its_content(content: bytes, kind: MediaType) -> None:
    assert sniff(content) == kind


@pytest.mark.parametrize(
    "content", [b"MZ\x90\x00", b"<html><script>alert(1)</script>", picture("GIF"), picture("TIFF"), archive(), b"\x00" * 100, b" " + PDF]
)
def test_it_takes_no_other_kind(content: bytes) -> None:
    with pytest.raises(NotEvidenceError):
        sniff(content)


@pytest.mark.parametrize(
    "content",
    [PNG[:-1], PNG[:40], PNG[:8], JPEG[:-2], JPEG[:30], JPEG[:3], PDF[:40], PDF.replace(b"%%EOF", b""), PNG[:50] + b"X" + PNG[51:]],
    ids=range(9),
)
def test_it_takes_no_cut_or_damaged_file(content: bytes) -> None:
    with pytest.raises(DamagedFileError):
        sniff(content)


@pytest.mark.parametrize("whole", [PDF, PNG, JPEG], ids=["PDF", "PNG", "JPEG"])
@pytest.mark.parametrize("other", [archive(), b"<script>alert(1)</script>", b"MZ\x90\x00", b"\x7fELF"], ids=["zip", "html", "exe", "elf"])
def test_it_takes_no_file_with_another_behind_it(whole: bytes, other: bytes) -> None:
    with pytest.raises(DamagedFileError):
        sniff(whole + other)


def test_it_takes_no_archive_whose_comment_ends_as_a_pdf() -> None:
    packed = bytearray(PDF + archive())
    packed[-2:] = len(PDF).to_bytes(2, "little")
    with pytest.raises(DamagedFileError):
        sniff(bytes(packed) + PDF)


def test_it_takes_no_picture_of_a_monstrous_size() -> None:
    # A bomb: a few hundred bytes that say they are 2 000 000 pixels wide.
    bomb = bytearray(PNG)
    bomb[16:20] = (2_000_000).to_bytes(4)
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4)
    with pytest.raises(DamagedFileError):
        sniff(bytes(bomb))


@given(st.binary(max_size=200), st.sampled_from([b"", PNG[:33], JPEG[:20], b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n"]))
def test_it_ends_in_a_kind_or_a_named_error(tail: bytes, head: bytes) -> None:
    with suppress(NotEvidenceError, DamagedFileError):
        assert sniff(head + tail) in MediaType


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("extract.pdf", "extract.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\temp\\extract.exe", "extract.pdf"),
        ('a"b\r\nX: y.pdf', "a-bX- y.pdf"),
        ("\u202efdp.exe", "fdp.pdf"),
        ("Auszug für Müller.pdf", "Auszug für Müller.pdf"),
        ("执照.pdf", "执照.pdf"),
        ("...", "document.pdf"),
        ("", "document.pdf"),
        ("a" * 300 + ".pdf", "a" * 100 + ".pdf"),
    ],
)
def test_it_keeps_a_name_that_is_only_a_name(given_name: str, kept: str) -> None:
    assert evidence.safe_name(given_name, MediaType.PDF) == kept


def test_it_rests_encrypted(draft: Application, alice: User) -> None:
    row = Evidence.objects.get(application=draft)
    assert PDF not in bytes(row.content)
    assert b"%PDF" not in bytes(row.content)
    assert evidence.read(row, actor=alice, at=MONDAY) == PDF
    assert ApplicationEvent.objects.filter(action="read_evidence", actor=alice.actor).count() == 1


def test_it_cannot_be_moved_to_another_application(draft: Application, charlie: User) -> None:
    other = Application.objects.create(applicant=charlie, created_at=MONDAY, dns_value="x")
    Evidence.objects.filter(application=draft).update(application=other)
    with pytest.raises(Exception, match="key"):
        evidence.open_content(Evidence.objects.get())


def test_it_keeps_ten_files_and_none_twice(draft: Application, alice: User) -> None:
    with pytest.raises(SameFileError):
        evidence.add(draft, filename="again.pdf", content=PDF, actor=alice, at=MONDAY)
    for number in range(1, 10):
        evidence.add(draft, filename="page.pdf", content=PDF.replace(b"Count 0", b"Count %d" % number), actor=alice, at=MONDAY)
    with pytest.raises(TooManyFilesError):
        evidence.add(draft, filename="one more.png", content=PNG, actor=alice, at=MONDAY)


def test_it_is_not_changed_while_reviewers_have_it(sent: Application, alice: User) -> None:
    with pytest.raises(NotOpenError):
        evidence.add(sent, filename="late.png", content=PNG, actor=alice, at=MONDAY)
    with pytest.raises(NotOpenError):
        evidence.remove(sent.evidence.get(), actor=alice, at=MONDAY)


def test_it_is_at_most_ten_megabytes(draft: Application, alice: User) -> None:
    largest = PDF[:9] + b"%" * (evidence.LARGEST_FILE - len(PDF)) + PDF[9:]
    assert evidence.add(draft, filename="large.pdf", content=largest, actor=alice, at=MONDAY).size == evidence.LARGEST_FILE
    with pytest.raises(FileTooLargeError):
        evidence.add(draft, filename="larger.pdf", content=largest + b"\n", actor=alice, at=MONDAY)


def upload(client: Client, application: Application, content: bytes, name: str = "scan.png") -> Any:
    return client.post(f"/apply/{application.pk}/evidence/", {"document": SimpleUploadedFile(name, content, "application/x-anything")})


def test_it_is_uploaded_and_removed_by_its_applicant(draft: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    assert upload(client, draft, PNG, "../scan.php").status_code == 302
    kept = draft.evidence.get(media_type="image/png")
    assert kept.filename == "scan.png"
    assert client.post(f"/apply/{draft.pk}/evidence/{kept.pk}/remove/").status_code == 302
    assert not draft.evidence.filter(pk=kept.pk).exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", b"empty"), (b"MZ", b"no PDF, PNG or JPEG"), (PNG[:-5], b"damaged"), (PNG + archive(), b"damaged"), (PDF, b"here already")],
)
def test_it_says_why_a_file_is_refused(draft: Application, alice: User, enter: Callable[..., Client], content: bytes, word: bytes) -> None:
    page = upload(enter(alice), draft, content)
    assert page.status_code == 422
    assert word in page.content
    assert draft.evidence.count() == 1


def test_it_refuses_a_huge_body_before_it_reads_it(draft: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    tracemalloc.start()
    page = client.generic("POST", f"/apply/{draft.pk}/evidence/", b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=str(20 * 1024**3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert page.status_code == 413
    assert b"larger than 10 MB" in page.content
    assert peak < 50 * 1024 * 1024


def test_it_asks_for_the_csrf_token_of_an_upload(draft: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    client.handler.enforce_csrf_checks = True
    assert upload(client, draft, PNG).status_code == 403
    assert draft.evidence.count() == 1


def test_it_is_downloaded_by_reviewers_and_never_opened_here(sent: Application, ruth: User, enter: Callable[..., Client]) -> None:
    answer = enter(ruth).get(f"/review/{sent.pk}/evidence/{sent.evidence.get().pk}/")
    assert answer.content == PDF
    assert answer.headers["Content-Disposition"] == 'attachment; filename="extract.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert ApplicationEvent.objects.filter(action="read_evidence", actor=ruth.actor).count() == 1


def test_it_is_hidden_from_charlie_and_its_applicant(sent: Application, alice: User, charlie: User, ruth: User, enter: Callable[..., Client]) -> None:
    address = f"/review/{sent.pk}/evidence/{sent.evidence.get().pk}/"
    for person in (alice, charlie):
        assert enter(person).get(address).status_code == 404
    assert enter(ruth, second_factor=False).get(address).headers["Location"].startswith("/accounts/second-factor/")
    assert Client().get(address).headers["Location"].startswith("/accounts/login/")
    assert not ApplicationEvent.objects.filter(action="read_evidence").exists()


def test_it_lets_charlie_add_and_remove_nothing(draft: Application, charlie: User, enter: Callable[..., Client]) -> None:
    client, kept = enter(charlie), draft.evidence.get()
    assert upload(client, draft, PNG).status_code == 404
    assert client.post(f"/apply/{draft.pk}/evidence/{kept.pk}/remove/").status_code == 404
    assert client.generic("POST", f"/apply/{draft.pk}/evidence/", b"", CONTENT_LENGTH=str(20 * 1024**3)).status_code == 404
    assert draft.evidence.get() == kept


def test_it_belongs_to_one_application(sent: Application, ruth: User, charlie: User, enter: Callable[..., Client]) -> None:
    other = Application.objects.create(applicant=charlie, created_at=MONDAY, submitted_at=MONDAY, status="submitted", dns_value="x")
    assert workflow.may_review(other, ruth)
    assert enter(ruth).get(f"/review/{other.pk}/evidence/{sent.evidence.get().pk}/").status_code == 404
