"""Servers, settings and an empty database for the rows that need the running portal, all in a folder that goes away afterwards."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import NotMeasuredError
from portal.running import embedded, servers

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
LOG_CHARACTERS = 1500
# No quota stands in the way of a load that no caller would be allowed.
UNLIMITED = {"LETTERLOCK_TOKEN_QUOTA": "1000000000", "LETTERLOCK_DEMO": "false", "ALLOWED_HOSTS": "127.0.0.1"}


class Web(NamedTuple):
    """A web server: its port, and the process that was started, whose children may be what answers."""

    port: int
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class House:
    state: Path
    environment: Mapping[str, str]
    servers: servers.Services

    def with_settings(self, more: Mapping[str, str]) -> "House":
        return replace(self, environment={**self.environment, **more})

    def furnish(self, what: str, *arguments: str) -> dict[str, Any]:
        """Run a function of `bench.furnishing`, and give what it answers."""
        return self.django("bench.furnishing", what, *arguments)

    def django(self, module: str, *arguments: str) -> dict[str, Any]:
        """Run a module's `main` in a process with Django, and give the JSON that it prints. Raises NotMeasuredError."""
        command = [sys.executable, "-m", "bench.in_django", module, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=dict(self.environment), stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise NotMeasuredError(f"{module} {' '.join(arguments)} failed")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @contextmanager
    def process(self, name: str, *arguments: str, program: str = sys.executable) -> Iterator[subprocess.Popen[bytes]]:
        """A child, in Python if nothing else is said, ended with the block. Its log's end is shown if the block cannot be measured."""
        log = self.state / f"{name}.log"
        with log.open("wb") as output:
            child = subprocess.Popen([program, *arguments], cwd=ROOT, env=dict(self.environment), stdout=output, stderr=output)
        try:
            yield child
        except NotMeasuredError:
            print(f"the log of {name} ends with:\n{log.read_text(errors='replace')[-LOG_CHARACTERS:]}")
            raise
        finally:
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    @contextmanager
    def gunicorn(self, application: str, *, workers: int = 1) -> Iterator[Web]:
        """Serve a WSGI callable as the portal is served, on a free port."""
        port = servers.free_port(0)
        command = [
            "-m",
            "gunicorn",
            "-w",
            str(workers),
            "-k",
            "gthread",
            "--threads",
            "4",
            "--no-control-socket",
            "-b",
            f"127.0.0.1:{port}",
            application,
        ]
        with self.process(application.replace(":", "."), *command) as child:
            wait_for(port, child)
            yield Web(port, child)


def wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    """Until something accepts connections at the port. Raises NotMeasuredError."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if child.poll() is not None or time.monotonic() > deadline:
                raise NotMeasuredError(f"{child.args!r} does not listen") from error
            time.sleep(0.05)
        else:
            return


@contextmanager
def opened() -> Iterator[House]:
    """A house with its servers running and its database migrated. The servers keep what is committed, as they must in use."""
    state = Path(tempfile.mkdtemp(prefix="letterlock-bench-"))
    state.chmod(0o711)
    try:
        with servers.running(state, durable=True) as found:
            environment = {**os.environ, **embedded.settings(state), **embedded.keys_for("worker", state, os.environ), **UNLIMITED}
            environment |= {"DATABASE_URL": found.database_url, "REDIS_URL": found.redis_url, "PYTHONUNBUFFERED": "1"}
            house = House(state, environment, found)
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0", "--no-input"], cwd=ROOT, env=environment, check=True)
            yield house
    except (servers.ServiceError, subprocess.CalledProcessError) as error:
        raise NotMeasuredError(str(error)) from error
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def on_cores(services: servers.Services) -> Iterator[None]:
    """Servers on the first core, this process (the load) on the last one, where there are several; children made meanwhile go with the servers."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        yield
        return
    for service in services.started:
        os.sched_setaffinity(service.process.pid, {cores[0]})
    try:
        yield
    finally:
        for service in services.started:
            os.sched_setaffinity(service.process.pid, cores)
        os.sched_setaffinity(0, cores)
