"""NSS's built-in list, read out of the real library through PKCS#11: what it trusts for e-mail is trusted here, and only as long."""

import hashlib
import shutil
import subprocess
import warnings
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from pytest_django import Settings

from directory.authorities import remove_authority
from directory.models import AuthoritySource, DirectoryEvent, TrustedAuthority
from mailer.nss_roots import BuiltInRoot, NssLibraryError, import_roots, library_at, read_roots, refresh_roots
from mailer.trust_store import current_trust
from tests.interop.engine import Requirement, need
from tests.mailer.foreign import OPERATOR, ForeignAuthority, trust

WORKER = "system:worker"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libnssckbi.so"


@pytest.fixture
def library() -> Path:
    need("NSS's list", Requirement(("libnss3",), (LIBRARY,)))
    return Path(LIBRARY)


@pytest.fixture
def roots(library: Path) -> list[BuiltInRoot]:
    return read_roots(library)


def made_up(now: datetime, count: int = 12) -> list[BuiltInRoot]:
    holders = [ForeignAuthority(now, name=f"Listed {number}").root for number in range(count)]
    return [BuiltInRoot(holder.der, holder.certificate.subject.rfc4514_string(), None) for holder in holders]


def loaded(root: BuiltInRoot) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old ones have the serial number 0
        return x509.load_der_x509_certificate(root.der)


def live() -> set[str]:
    return set(TrustedAuthority.objects.filter(removed_at=None).values_list("fingerprint", flat=True))


def test_it_reads_the_real_list(roots: list[BuiltInRoot]) -> None:
    certificates = [loaded(root) for root in roots]
    assert 50 < len(roots) < 200
    assert len({root.fingerprint for root in roots}) == len(roots)
    assert all(certificate.issuer == certificate.subject for certificate in certificates)
    assert all(root.subject for root in roots)


def test_it_trusts_no_root_that_is_for_servers_alone(library: Path, roots: list[BuiltInRoot], tmp_path: Path) -> None:
    """Held against NSS's own tool, which shows trust as `servers,e-mail,objects` with C for a certifier."""
    certutil = shutil.which("certutil")
    if certutil is None:
        need("certutil", Requirement(("libnss3-tools",), ("/usr/bin/certutil",)))
    database = f"sql:{tmp_path}"
    subprocess.run(["certutil", "-N", "-d", database, "--empty-password"], check=True, capture_output=True)
    modules = tmp_path / "pkcs11.txt"
    modules.write_text(modules.read_text() + f"\nlibrary={library}\nname=Roots\n")
    listing = subprocess.run(["certutil", "-L", "-d", database, "-h", "all"], check=True, capture_output=True, text=True).stdout
    flags = [line.rsplit(None, 1)[1].split(",") for line in listing.splitlines() if line.count(",") >= 2 and line.startswith("Builtin Object Token:")]
    assert len(flags) > len(roots)
    assert sum("C" in email for _servers, email, _objects in flags) == len(roots)


def test_it_reads_until_when_a_root_is_trusted(roots: list[BuiltInRoot]) -> None:
    dates = {root.distrust_after for root in roots if root.distrust_after}
    assert dates, "the list has roots that Mozilla lets run out"
    assert all(datetime(2018, 1, 1, tzinfo=UTC) < date < datetime(2040, 1, 1, tzinfo=UTC) for date in dates)


@pytest.mark.django_db
def test_the_command_may_be_repeated(library: Path, roots: list[BuiltInRoot], now: datetime) -> None:
    first, second = StringIO(), StringIO()
    call_command("import_roots", library=str(library), stdout=first)
    events = DirectoryEvent.objects.count()
    call_command("import_roots", library=str(library), stdout=second)
    assert f"Added or changed: {len(roots)}. Removed: 0." in first.getvalue()
    assert f"Added or changed: 0. Removed: 0. Unchanged: {len(roots)}." in second.getvalue()
    assert (events, DirectoryEvent.objects.count()) == (len(roots), len(roots))
    assert live() == {root.fingerprint for root in roots}
    in_time = {root.der for root in roots if loaded(root).not_valid_after_utc > now}
    assert set(current_trust(at=now).roots) == in_time
    limits = {hashlib.sha256(root.der).digest(): root.distrust_after for root in roots if root.distrust_after and root.der in in_time}
    assert dict(current_trust(at=now).distrust_after) == limits


@pytest.mark.parametrize("content", [None, b"", b"\x7fELF nothing", b"not a library"])
def test_it_says_what_it_cannot_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "libnssckbi.so"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NssLibraryError, match="libnssckbi"):
        read_roots(path)
    with pytest.raises(CommandError, match="libnssckbi"):
        call_command("import_roots", library=str(path))


def test_a_library_that_is_no_list_harms_nobody(tmp_path: Path) -> None:
    """One that ends the process that loads it, and one without PKCS#11."""
    with pytest.raises(NssLibraryError, match="undefined symbol"):
        read_roots(Path("/lib/x86_64-linux-gnu/libc.so.6"))
    source = tmp_path / "hostile.c"
    source.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void end(void) { abort(); }\n")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        need("a C compiler", Requirement(("gcc",), ("/usr/bin/gcc",)))
    subprocess.run([str(compiler), "-shared", "-fPIC", "-o", tmp_path / "hostile.so", source], check=True)
    with pytest.raises(NssLibraryError, match="ended with -6"):
        read_roots(tmp_path / "hostile.so")


@pytest.mark.django_db
def test_what_lost_its_trust_is_taken_away(now: datetime) -> None:
    roots = made_up(now)
    assert import_roots(roots, actor=OPERATOR, at=now).added == len(roots)
    done = import_roots(roots[:-2], actor=WORKER, at=now)
    assert (done.added, done.removed, done.kept) == (0, 2, len(roots) - 2)
    assert live() == {root.fingerprint for root in roots[:-2]}
    last = DirectoryEvent.objects.latest("id")
    assert (last.actor, last.verb) == (WORKER, "authority.removed")
    assert import_roots(roots, actor=WORKER, at=now).added == 2, "and comes back"


@pytest.mark.django_db
def test_a_new_last_day_is_taken_over(now: datetime) -> None:
    roots = made_up(now)
    import_roots(roots, actor=OPERATOR, at=now)
    done = import_roots([roots[0]._replace(distrust_after=now), *roots[1:]], actor=WORKER, at=now)
    assert (done.added, done.kept) == (1, len(roots) - 1)
    assert TrustedAuthority.objects.get(pk=roots[0].fingerprint).distrust_after == now


@pytest.mark.django_db
def test_the_operator_has_the_last_word(now: datetime) -> None:
    roots = made_up(now)
    own = ForeignAuthority(now, name="Own").root
    trust(own, at=now)
    import_roots(roots, actor=OPERATOR, at=now)
    remove_authority(fingerprint=roots[0].fingerprint, source=AuthoritySource.ADDED, actor=OPERATOR, at=now)
    done = import_roots(roots, actor=WORKER, at=now)
    assert (done.added, done.left) == (0, 1)
    assert roots[0].fingerprint not in live()
    assert hashlib.sha256(own.der).hexdigest() in live(), "what the list does not have stays"


@pytest.mark.django_db
def test_the_weekly_task_keeps_only_what_was_imported_once(library: Path, settings: Settings, now: datetime) -> None:
    settings.LETTERLOCK_NSS_ROOTS = str(library)
    assert refresh_roots(actor=WORKER, at=now) is None
    import_roots(made_up(now), actor=OPERATOR, at=now)
    settings.LETTERLOCK_NSS_ROOTS = "off"
    assert refresh_roots(actor=WORKER, at=now) is None
    settings.LETTERLOCK_NSS_ROOTS = "auto"
    done = refresh_roots(actor=WORKER, at=now)
    assert done is not None
    assert done.removed == 12
    assert done.added > 50


def test_the_setting_names_the_library(settings: Settings) -> None:
    settings.LETTERLOCK_NSS_ROOTS = "/opt/nss/libnssckbi.so"
    assert library_at() == Path("/opt/nss/libnssckbi.so")
    assert library_at("/other/libnssckbi.so") == Path("/other/libnssckbi.so")
