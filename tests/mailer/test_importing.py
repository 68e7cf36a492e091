"""What an operator imports stands behind all that was proven, and Charlie's file does to nobody's mailbox what its owner would not have."""

import csv
import io
import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.management import CommandError, call_command
from django.db.models import F

from directory.bulk_publishing import publish_new
from directory.lookup import read_answer
from directory.models import Answer, Certificate, CertificateStatus, Change, DirectoryEvent, Level, Mailbox, Source
from directory.publishing import erase, hide, publish, revoke
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer import importing, owning, reverifying
from mailer.forgetting import keep_out
from mailer.import_errors import ImportStopped
from mailer.import_files import FileEntry
from mailer.importing import Progress, Refusal, import_entries
from mailer.models import Authority as OwnAuthority
from mailer.models import LinkPurpose, Notice, NoticeStatus
from mailer.owner_links import mail_link, store_link
from mailer.trust_store import RESERVED_POLICIES
from tests.mailer.letters import publish_for
from tests.mailer.test_proving import self_signed
from tests.pki import Authority, Holder, Usage

pytestmark = pytest.mark.django_db
OPERATOR = "user:operator"
AUTHORITY = Authority()


def entry(holder: Holder, *addresses: str, line: int = 1) -> FileEntry:
    return FileEntry(line, holder.der, addresses or None)


def leaf(email: str, kind: str = "p256", usage: Usage = Usage.DUAL, **facts: Any) -> Holder:
    return AUTHORITY.leaf(email, kind, usage, **facts)


def run(*entries: FileEntry, at: datetime, processes: int = 0, **options: Any) -> tuple[Progress, list[str]]:
    """What came of it and the codes of what was refused."""
    refusals: list[Refusal] = []
    given: dict[str, Any] = {
        "source_name": "ldap",
        "actor": OPERATOR,
        "clock": lambda: at,
        "refuse": refusals.append,
        "processes": processes,
    } | options
    progress = import_entries(entries, **given)
    return progress, [refusal.error.code for refusal in refusals]


def found(email: str, at: datetime) -> bool:
    return read_answer(EmailAddress.parse(email), at=at).found


def test_it_publishes_what_the_certificates_name(now: datetime) -> None:
    alice, bob = leaf("Alice@example.com", "rsa2048"), leaf("bob@example.com")
    assert run(entry(alice), entry(bob, "nobody@example.com", "Bob@example.com"), at=now) == (Progress(published=2), [])
    assert found("alice@example.com", now)
    assert Mailbox.objects.get(match="bob@example.com").address == "Bob@example.com"
    certificate = Certificate.objects.get(mailbox__match="alice@example.com")
    assert (certificate.source, certificate.level, certificate.name, certificate.published_at) == (Source.IMPORTED, Level.EXTERNAL, "", now)
    assert Change.objects.filter(match="alice@example.com", kind="published", done_at=None).exists()
    verbs = list(DirectoryEvent.objects.order_by("id").values_list("verb", "actor"))
    assert verbs == [("certificate.published", OPERATOR), ("certificate.published", OPERATOR), ("certificates.imported", OPERATOR)]
    assert DirectoryEvent.objects.get(verb="certificates.imported").detail == {"from": "ldap", "published": 2}


def test_it_finds_there_already_what_it_imported(now: datetime) -> None:
    entries = [entry(leaf(f"c{number}@example.com")) for number in range(3)]
    run(*entries, at=now)
    before = [list(model.objects.order_by("pk").values()) for model in (Certificate, Answer, Change, DirectoryEvent)]
    assert run(*entries, entries[0], at=now)[0] == Progress(known=4)
    assert [list(model.objects.order_by("pk").values()) for model in (Certificate, Answer, Change, DirectoryEvent)] == before


def test_a_dry_run_keeps_nothing(now: datetime) -> None:
    publish_for(leaf("alice@example.com"), "alice@example.com", at=now)
    entries = [entry(leaf("bob@example.com")), entry(leaf("alice@example.com", "rsa2048")), entry(leaf("carol@example.com", days=(-9, -1)))]
    assert run(*entries, at=now, dry_run=True) == (Progress(published=1, refused=2), ["out_of_time", "replaces_live"])
    assert [mailbox.match for mailbox in Mailbox.objects.all()] == ["alice@example.com"]


def test_it_refuses_what_the_gate_refuses(now: datetime) -> None:
    entries = [
        entry(AUTHORITY.issuer),
        entry(leaf("a@example.com", "rsa1024")),
        entry(leaf("a@example.com", days=(-9, -1))),
        FileEntry(4, b"0", None),
    ]
    progress, codes = run(*entries, at=now)
    assert sorted(codes) == ["authority_certificate", "malformed_certificate", "out_of_time", "weak_key"]
    assert progress == Progress(refused=4)


def test_it_takes_nobodys_address_because_a_file_says_so(now: datetime) -> None:
    """Charlie's line gives Alice's address to Charlie's certificate."""
    charlie = leaf("charlie@example.net")
    assert run(entry(charlie, "alice@example.com"), entry(charlie, "charlie"), at=now)[1] == ["wrong_address", "malformed_address"]
    assert not Mailbox.objects.exists()


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("spell", [str, str.upper, lambda text: f" {text}  "])
def test_it_refuses_who_calls_our_ca_the_issuer(now: datetime, spell: Callable[[str], str]) -> None:
    subject = x509.load_der_x509_certificate(bytes(OwnAuthority.objects.get(slug="smime-1").certificate)).subject
    name = [(part.oid, part.value if len(part.value) == 2 else spell(str(part.value))) for part in subject]
    forged = self_signed(leaf("alice@example.com"), issuer=name, organization="Bank AG")
    assert run(entry(forged), at=now) == (Progress(refused=1), ["forged_issuer"])
    assert not Mailbox.objects.exists()


def test_it_leaves_out_who_had_the_address_erased(now: datetime) -> None:
    mailbox = publish_for(leaf("alice@example.com"), "alice@example.com", at=now).mailbox
    erase(mailbox=mailbox, actor="user:alice", at=now)
    keep_out("alice@example.com", at=now)
    assert run(entry(leaf("ALICE@example.com")), at=now) == (Progress(refused=1), ["erased"])
    assert not found("alice@example.com", now)
    assert not Mailbox.objects.filter(match="alice@example.com").exists()


def test_it_takes_back_what_was_erased_while_it_was_written(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The erasure comes after the chunk was compared with those that are erased, and before its rows are there."""

    def erased_meanwhile(*given: Any, **options: Any) -> Any:
        keep_out("alice@example.com", at=now)
        return publish_new(*given, **options)

    monkeypatch.setattr("mailer.importing.publish_new", erased_meanwhile)
    run(entry(leaf("alice@example.com")), entry(leaf("bob@example.com")), at=now)
    assert [match for match in Mailbox.objects.values_list("match", flat=True) if not match.startswith("erased:")] == ["bob@example.com"]
    assert (found("alice@example.com", now), found("bob@example.com", now)) == (False, True)


def test_a_hidden_mailbox_stays_hidden(now: datetime) -> None:
    hide(mailbox=publish_for(leaf("alice@example.com", "p256", Usage.SIGN), "alice@example.com", at=now).mailbox, actor="user:alice", at=now)
    run(entry(leaf("alice@example.com", "rsa2048", Usage.ENCRYPT)), at=now)
    assert not found("alice@example.com", now)


def test_it_replaces_nothing_that_was_proven(now: datetime) -> None:
    """Charlie runs a CA of his own; what it signs for Alice's address does not get beside hers."""
    publish_for(leaf("alice@example.com"), "alice@example.com", at=now)
    other = Authority("Charlie").leaf("alice@example.com", "rsa2048", Usage.ENCRYPT)
    assert run(entry(other), at=now) == (Progress(refused=1), ["replaces_live"])
    assert Certificate.objects.count() == DirectoryEvent.objects.count() == 1


def test_it_adds_what_does_something_else_or_has_the_same_key(now: datetime) -> None:
    """An encryption certificate beside one that only signs, and a renewal of the same key."""
    signing = leaf("alice@example.com", "p256", Usage.SIGN)
    publish_for(signing, "alice@example.com", at=now)
    renewed = leaf("alice@example.com", "p256", Usage.SIGN, key=signing.key, days=(0, 700))
    assert run(entry(leaf("alice@example.com", "rsa2048", Usage.ENCRYPT)), entry(renewed), at=now)[0] == Progress(published=2)
    assert found("alice@example.com", now)


def test_it_adds_to_what_was_imported(now: datetime) -> None:
    """An operator's next export has the renewed certificate, with a key of its own, while the old one is live."""
    run(entry(leaf("alice@example.com", "rsa2048")), at=now)
    assert run(entry(leaf("alice@example.com", "p384")), at=now)[0] == Progress(published=1)


def test_it_brings_back_nothing_that_was_revoked(now: datetime) -> None:
    holder = leaf("charlie@example.net")
    revoke(certificate=publish_for(holder, "charlie@example.net", at=now), reason="keyCompromise", actor="user:charlie", at=now)
    assert run(entry(holder), at=now) == (Progress(refused=1), ["revoked_certificate"])


@pytest.mark.parametrize("end", ["withdrawn", "replaced", "unanswered"])
def test_it_brings_back_nothing_that_left_the_answers(now: datetime, end: str) -> None:
    """The operator's next run has the same line; only the owner's own proof counts for more."""
    address = EmailAddress.parse("alice@example.com")
    run(entry(old := leaf("alice@example.com")), at=now)
    certificate = Certificate.objects.get()
    if end == "withdrawn":
        link = mail_link(address, actor="anonymous", at=now)
        assert link is not None
        owning.withdraw(link, certificate.pk, at=now)
    elif end == "replaced":
        parsed = parse_certificate(leaf("alice@example.com", "p384").der)
        publish(address=address, parsed=parsed, level=Level.EXTERNAL, source=Source.UPLOADED, supersedes=[certificate], actor="user:alice", at=now)
    else:
        Mailbox.objects.update(reverify_asked_at=now - reverifying.END_AFTER)
        for ago in (reverifying.END_AFTER, reverifying.END_AFTER - reverifying.REMIND_AFTER):
            store_link(address, purpose=LinkPurpose.REVERIFY, kind="owner_link", context={}, actor="system:worker", at=now - ago)
        Notice.objects.update(status=NoticeStatus.HANDED, updated_at=F("created_at"))
        assert reverifying.end_due(at=now) == 1
    for _run in range(2):
        assert run(entry(old), at=now) == (Progress(refused=1), ["ended_certificate"])
    certificate.refresh_from_db()
    assert certificate.status == CertificateStatus.SUPERSEDED
    assert found("alice@example.com", now) == (end == "replaced")
    publish(address=address, parsed=parse_certificate(old.der), level=Level.EXTERNAL, source=Source.UPLOADED, actor="user:alice", at=now)
    certificate.refresh_from_db()
    assert certificate.status == CertificateStatus.PUBLISHED
    assert run(entry(old), at=now) == (Progress(known=1), [])


def test_it_gives_no_level_to_who_only_claims_one(now: datetime) -> None:
    """Charlie's own CA writes the reserved policy of an organisation into a certificate; no root that the operator chose stands above it."""
    key = AUTHORITY.leaf("charlie@example.net").key
    policy = next(oid for oid, level in RESERVED_POLICIES.items() if level == Level.V4)
    builder = x509.CertificateBuilder(extensions=list(leaf("charlie@example.net").certificate.extensions))
    builder = builder.subject_name(x509.Name([])).issuer_name(AUTHORITY.issuer.certificate.subject).serial_number(4711).public_key(key.public_key())
    builder = builder.not_valid_before(now.replace(microsecond=0)).not_valid_after(now.replace(year=now.year + 1, microsecond=0))
    claim = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(policy), None)])
    builder = builder.add_extension(claim, critical=False)
    claimed = Holder(builder.sign(AUTHORITY.issuer.key, SHA256()), key)
    run(entry(claimed), at=now)
    certificate = Certificate.objects.get()
    assert certificate.level == Level.EXTERNAL
    assert certificate.trust not in {"", "verified"}


def test_it_parses_in_processes_of_its_own(now: datetime) -> None:
    entries = [entry(leaf(f"c{number}@example.com"), line=number) for number in range(600)]
    entries[300] = FileEntry(300, b"\x30\x00", None)
    refusals: list[Refusal] = []
    assert run(*entries, at=now, processes=2, refuse=refusals.append)[0] == Progress(published=599, refused=1)
    assert [refusal.line for refusal in refusals] == [300]


def test_it_stops_where_its_processes_die(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole chunks are there and no part of another; the same import goes on from there."""
    monkeypatch.setattr(importing, "CHUNK", 250)
    entries = [entry(leaf(f"c{number}@example.com")) for number in range(3000)]

    def dying() -> Iterator[FileEntry]:
        yield from entries[:2500]
        for process in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            if b"forkserver" in Path(f"/proc/{process}/cmdline").read_bytes():
                for worker in Path(f"/proc/{process}/task/{process}/children").read_text().split():
                    os.kill(int(worker), signal.SIGKILL)
        yield from entries[2500:]

    with pytest.raises(ImportStopped):
        import_entries(dying(), source_name="ldap", actor=OPERATOR, clock=lambda: now, processes=1)
    done = Certificate.objects.count()
    assert 0 < done < 3000
    assert done % 250 == 0
    assert run(*entries, at=now)[0] == Progress(published=3000 - done, known=done)
    assert Certificate.objects.filter(status=CertificateStatus.PUBLISHED).count() == Answer.objects.count() == 3000


def test_what_fails_in_a_chunk_leaves_none_of_it(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    monkeypatch.setattr(importing, "BATCH", 1)

    def broken() -> Iterator[FileEntry]:
        yield from (entry(leaf(f"c{number}@example.com")) for number in range(5))
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - what the reader raises comes through
        import_entries(broken(), source_name="ldap", actor=OPERATOR, clock=lambda: now, processes=0)
    assert Certificate.objects.count() == Mailbox.objects.count() == Answer.objects.count() == 4


def test_the_command_reports_what_it_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], now: datetime) -> None:
    charlie = leaf("charlie@example.net")
    file, table, report = tmp_path / "people.pem", tmp_path / "people.csv", tmp_path / "report.csv"
    file.write_bytes(leaf("alice@example.com").pem + AUTHORITY.issuer.pem + b"-----BEGIN CERTIFICATE-----\n=1+1\n-----END CERTIFICATE-----\n")
    table.write_text(f'email,certificate\nalice@example.com,"{charlie.pem.decode()}"\n', encoding="utf-8")
    call_command("import_certificates", file, table, source_name="test", actor=OPERATOR, report=report)
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{file}: 1 published, 0 there already, 2 refused.", f"{table}: 0 published, 0 there already, 1 refused."]
    assert not err  # no terminal, no bar
    rows = list(csv.DictReader(io.StringIO(report.read_text(encoding="utf-8"))))
    assert [(Path(row["file"]).name, row["code"]) for row in rows] == [
        ("people.pem", "authority_certificate"),
        ("people.pem", "malformed_upload"),
        ("people.csv", "wrong_address"),
    ]
    assert all(len(row["reason"]) > 20 and int(row["line"]) > 0 for row in rows)
    assert found("alice@example.com", now)


@pytest.mark.parametrize(("name", "content"), [("missing.pem", None), ("letter.docx", b"PK\x03\x04")])
def test_the_command_says_what_it_cannot_read(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CommandError, match=name):
        call_command("import_certificates", tmp_path / name, source_name="test", actor=OPERATOR)
