"""`manage.py up`: everything starts, each process knows its own keys alone, and nothing stays behind however it ends."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal.running.embedded import KEKS
from portal.running.folders import CHECKOUT
from portal.running.story.browser import Browser

# A cold start on a busy machine of two cores.
PATIENCE = 150
OWN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", *KEKS)

pytestmark = pytest.mark.xdist_group("portal")


class Up:
    """One `manage.py up` on a state folder, as a shell would start it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        environment = {name: value for name, value in os.environ.items() if name not in OWN} | {"LETTERLOCK_STATE": str(state)}
        self.output = state.with_suffix(".out")
        with self.output.open("wb") as output:
            command = [sys.executable, "manage.py", "up", "--port", "0", "--die-with-parent"]
            self.process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self, what: str, found: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not found():
            assert time.monotonic() < deadline, f"{what}: {self.output.read_text()}"
            time.sleep(0.1)

    def url(self) -> str:
        pattern = re.compile(r"running at (http://\S+)")
        self.wait("it does not run", lambda: pattern.search(self.output.read_text()) or self.process.poll() is not None)
        found = pattern.search(self.output.read_text())
        assert found, self.output.read_text()
        return found.group(1)

    def end(self, number: signal.Signals) -> int:
        os.kill(self.process.pid, number)
        return self.process.wait(60)


def processes(state: Path) -> dict[int, tuple[str, dict[str, str]]]:
    """Every process of a portal: its command line and its environment, by the state folder that all of them were given."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            line = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        environment = dict(word.partition("=")[::2] for word in words)
        if environment.get("LETTERLOCK_STATE") == str(state) and line:
            found[int(folder.name)] = (line, environment)
    return found


def gone(state: Path) -> None:
    """Nothing of the portal is left: no process, and no Valkey, which writes its title over its environment."""
    deadline = time.monotonic() + 30
    port = urlsplit(json.loads((state / "running.json").read_bytes())["REDIS_URL"]).port or 0
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                break
        assert time.monotonic() < deadline, "Valkey still answers"
        time.sleep(0.2)
    while left := processes(state):
        assert time.monotonic() < deadline, [line for line, _ in left.values()]
        time.sleep(0.2)


@pytest.fixture
def up(open_folder: Path) -> Iterator[Callable[[], Up]]:
    state = open_folder / "state"
    runs: list[Up] = []

    def start() -> Up:
        runs.append(Up(state))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


def keks_of(line_part: str, state: Path) -> set[frozenset[str]]:
    """The key-encryption keys in the environments of the processes whose command line holds a text."""
    environments = [environment for line, environment in processes(state).values() if line_part in line]
    assert environments, line_part
    return {frozenset(name.removesuffix("_FILE") for name in environment) & set(KEKS) for environment in environments}


def test_it_gives_keys_by_role_keeps_data_and_leaves_nothing(up: Callable[[], Up]) -> None:
    first = up()
    state, url = first.state, first.url()
    assert Browser(url.rstrip("/")).open("/").status == 200

    # The web process can sign nothing; only the signer opens CA keys, only the worker organisations' signing keys.
    assert keks_of("gunicorn", state) == {frozenset({"LETTERLOCK_DATA_KEK"})}
    assert keks_of("manage.py signer", state) == {frozenset({"LETTERLOCK_CA_KEK"})}
    assert keks_of("celery -A portal worker", state) == {frozenset({"LETTERLOCK_SIGNING_KEK", "LETTERLOCK_DATA_KEK"})}
    for part in ("celery -A portal beat", "portal.running.inbox", "portal.running.nameserver", "bin/postgres"):
        assert keks_of(part, state) == {frozenset()}
    kept = {path.name: path.read_bytes() for path in (state / "secrets").iterdir()}
    assert set(kept) == {"SECRET_KEY", *KEKS}
    assert {path.stat().st_mode & 0o777 for path in (state / "secrets").iterdir()} == {0o600}

    second = up()
    assert second.process.wait(PATIENCE) == 1
    assert "already runs" in second.output.read_text()

    first.end(signal.SIGKILL)
    gone(state)

    third = up()
    third.url()
    assert {path.name: path.read_bytes() for path in (state / "secrets").iterdir()} == kept
    # The second ceremony found the first one's CAs, which nobody but the first keys could open.
    assert "nothing was changed" in (state / "log" / "prepare.log").read_text()
    assert third.end(signal.SIGINT) == 0
    assert "stopped by SIGINT" in third.output.read_text()
    gone(state)


def test_it_ends_with_a_message_when_a_child_does(up: Callable[[], Up]) -> None:
    run = up()
    run.url()
    (signer,) = [number for number, (line, _) in processes(run.state).items() if "manage.py signer" in line]
    os.kill(signer, signal.SIGKILL)
    assert run.process.wait(60) == 1
    assert "signer ended with status -9" in run.output.read_text()
    gone(run.state)
