"""`manage.py signer` as a process of its own: its door, its end, and being killed."""

import os
import random
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from directory.models import Certificate, Organization
from directory.x509.names import EmailAddress
from mailer.ca.client import SignerClient
from mailer.ca.errors import SignerUnavailableError
from mailer.ca.protocol import IssueRequest, write_request
from mailer.issuing import intend, issue_pending
from mailer.models import Issuance, IssuanceStatus, LedgerEvent
from tests.mailer.ca.rows import assign_row
from tests.mailer.processes import START_SECONDS, SignerProcess, environment_of, signer_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def door(settings: Settings, tmp_path: Path) -> Path:
    settings.LETTERLOCK_SIGNER_SOCKET = tmp_path / "signer.sock"
    return tmp_path / "signer.sock"


@pytest.fixture
def process(ca: None, door: Path, tmp_path: Path) -> Iterator[SignerProcess]:  # noqa: ARG001 - the CA it signs for
    with signer_process(door, tmp_path / "signer.log") as started:
        yield started


def test_it_issues_and_ends_when_it_is_asked_to(process: SignerProcess, door: Path, bank: Organization, now: datetime) -> None:
    assert stat.S_IMODE(door.stat().st_mode) == 0o600
    limits = Path(f"/proc/{process.process.pid}/limits").read_text()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")] == ["0"]
    intend(organization=bank, address=EmailAddress.parse("bills@bank.example.com"), actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    assert Certificate.objects.get().organization == bank
    assert process.end() == 0
    assert not door.exists()
    with pytest.raises(SignerUnavailableError), SignerClient(door) as client:
        client.ping()


@pytest.mark.usefixtures("process")
def test_it_is_alone(door: Path, tmp_path: Path) -> None:
    second = SignerProcess(door, tmp_path / "second.log")
    assert second.end(signal.SIGCONT) == 1
    assert "another signer listens" in second.log.read_text()
    with SignerClient(door) as client:
        client.ping()


def test_it_does_not_start_without_its_key(door: Path, tmp_path: Path) -> None:
    started = SignerProcess(door, tmp_path / "signer.log", environment=environment_of("web", door))
    assert started.process.wait(START_SECONDS) == 1
    assert "LETTERLOCK_CA_KEK" in started.log.read_text()
    assert not door.exists()


@pytest.mark.usefixtures("process")
def test_it_survives_bad_clients(door: Path) -> None:
    for bad in (b"", b"\n", b"x" * 100_000, b'{"verb": "issue"', b"\x00" * 600 + b"\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(door))
            try:
                client.sendall(bad)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                client.recv(1000)
            except (BrokenPipeError, ConnectionResetError):
                pass
    with SignerClient(door) as client:
        client.ping()


def test_it_is_refused_to_other_users(process: SignerProcess, door: Path) -> None:
    assert stat.S_IMODE(door.stat().st_mode) == 0o600
    if os.geteuid() != 0:
        # Only root can become another user and try.
        return
    for folder in door.parents:
        if folder.stat().st_mode & stat.S_IXOTH == 0:
            folder.chmod(0o711)
    ping = 'c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); c.sendall(b\'{"verb": "ping"}\\n\'); print(c.recv(100))'
    stranger = ["python3", "-I", "-c", f"import os, socket, sys; os.setuid(65534); {ping}", str(door)]
    closed = subprocess.run(stranger, capture_output=True, text=True, check=False)
    assert "PermissionError" in closed.stderr
    # Even where somebody loosens the file, the process looks at who is there.
    door.chmod(0o666)
    loosened = subprocess.run(stranger, capture_output=True, text=True, check=False)
    assert "ok" not in loosened.stdout
    assert "another user" in process.log.read_text()


def test_it_is_replaced_after_a_kill_in_the_middle_of_a_request(ca: None, door: Path, bank: Organization, now: datetime, tmp_path: Path) -> None:
    del ca
    row = assign_row(bank, "bills@bank.example.com", at=now)
    with signer_process(door, tmp_path / "first.log") as first, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(door))
        client.settimeout(10)
        client.sendall(b'{"verb": "ping"}\n')
        client.recv(100)
        first.process.send_signal(signal.SIGSTOP)
        # It is stopped only when the kernel says so; until then it could take the request.
        os.waitpid(first.process.pid, os.WUNTRACED)
        client.sendall(write_request(IssueRequest(row.id)))
        first.process.kill()
        first.process.wait()
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    assert door.exists(), "a killed process leaves its socket behind"
    row.refresh_from_db()
    assert (row.status, row.certificate) == (IssuanceStatus.SIGNING, None)
    with signer_process(door, tmp_path / "second.log"), SignerClient(door) as again:
        der = again.issue(row.id)
        assert again.issue(row.id) == der
    row.refresh_from_db()
    assert bytes(row.certificate or b"") == der
    assert row.events.filter(event="issue").count() == 1


def test_it_issues_each_once_although_it_is_killed_again_and_again(ca: None, door: Path, bank: Organization, now: datetime, tmp_path: Path) -> None:
    del ca
    count = 12
    for number in range(count):
        intend(organization=bank, address=EmailAddress.parse(f"a{number}@bank.example.com"), actor="user:alice", at=now)
    done = threading.Event()

    def work() -> None:
        try:
            while Certificate.objects.count() < count and not done.is_set():
                issue_pending(at=datetime.now(UTC))
                # As if the time of the claims of a failed round were over.
                Issuance.objects.update(lease_until=None)
                time.sleep(0.1)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    choice = random.Random(20261124)
    try:
        for life in range(2):
            with signer_process(door, tmp_path / f"{life}.log"):
                worker.join(choice.uniform(0.02, 0.15))
            if not worker.is_alive():
                break
        with signer_process(door, tmp_path / "last.log"):
            worker.join(START_SECONDS)
    finally:
        done.set()
        worker.join()
    rows = list(Issuance.objects.all())
    assert {row.status for row in rows} == {IssuanceStatus.ISSUED}
    assert len({row.serial for row in rows}) == len({bytes(row.certificate or b"") for row in rows}) == count
    assert LedgerEvent.objects.filter(event="issue").count() == Certificate.objects.count() == count
