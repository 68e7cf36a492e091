"""Real processes of a role, with the environment that the supervisor gives to that role, on the test's database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from mailer.ca.client import SignerClient
from mailer.ca.errors import SignerUnavailableError
from portal.running.embedded import keys_for, without_keys

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


def environment_of(role: str, socket: Path) -> dict[str, str]:
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    state = Path(settings.LETTERLOCK_STATE)
    return {
        **without_keys(os.environ),
        "DATABASE_URL": database,
        "LETTERLOCK_SIGNER_SOCKET": str(socket),
        **keys_for(role, state, os.environ),
    }


def run_code(role: str, code: str, socket: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of this role; what it prints is the result."""
    command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
    return subprocess.run(command, cwd=ROOT, env=environment_of(role, socket), capture_output=True, text=True, timeout=120, check=False)


class SignerProcess:
    """`manage.py signer`. Its log is kept in a file, so that a killed one can still be read."""

    def __init__(self, socket: Path, log: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.socket, self.log = socket, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "signer"], cwd=ROOT, env=environment or environment_of("signer", socket), stdout=output, stderr=output
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with SignerClient(self.socket) as client:
                client.ping()
        except SignerUnavailableError:
            return False
        return True

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(START_SECONDS)


@contextmanager
def signer_process(socket: Path, log: Path) -> Iterator[SignerProcess]:
    started = SignerProcess(socket, log)
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.end(signal.SIGKILL)
