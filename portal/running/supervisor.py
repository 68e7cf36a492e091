"""The whole portal as children of one process: servers, migrations, demo CA, signer, web, worker, beat, DNS and SMTP inbox.

Each child is given the settings and the key-encryption keys of its role, writes to a log of its own, and ends with this process however that ends.
"""

import fcntl
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.running import embedded, servers
from portal.running.folders import CHECKOUT, open_state
from portal.running.leash import leashed

PORT = 8000
READY_SECONDS = 60
ONCE_SECONDS = 120
STOP_SECONDS = 10
LOG_LINES = 40

Say = Callable[[str, str], None]


class PortalError(Exception):
    """Something of the portal did not start or has ended; the text names it and shows the end of its log."""


@dataclass(frozen=True)
class Child:
    """One process of the portal, in a session of its own so that a Ctrl-C at the terminal reaches only the supervisor."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join(f"{self.name:8}| {line}" for line in lines)

    def check(self) -> None:
        if self.process.poll() is not None:
            raise PortalError(f"{self.name} ended with status {self.process.returncode}; its log, {self.log}, ends with:\n{self.tail()}")

    def ask_to_stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until `deadline`, then end it and all that it left in its session."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Portal:
    """A running portal."""

    state: Path
    url: str
    say: Say
    environment: dict[str, str]
    services: servers.Services
    children: list[Child] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.state / "inbox"

    @property
    def zone(self) -> Path:
        return self.state / "zone.json"

    def launch(self, name: str, *arguments: str, role: str = "") -> Child:
        """Start Python with `arguments` and keep it among the children."""
        log = self.state / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        given = {**self.environment, **embedded.keys_for(role or name, self.state, os.environ)}
        command = leashed([sys.executable, *arguments], ending=signal.SIGKILL)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=given, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def finish(self, child: Child) -> None:
        """Wait for a child that does one thing and ends. Raises PortalError if it fails, or any other child ends meanwhile."""
        deadline = time.monotonic() + ONCE_SECONDS
        while child.process.poll() is None:
            if time.monotonic() > deadline:
                raise PortalError(f"{child.name} took longer than {ONCE_SECONDS} s; its log ends with:\n{child.tail()}")
            self.check(except_for=child)
            time.sleep(0.02)
        self.children.remove(child)
        if child.process.returncode:
            child.check()

    def check(self, *, except_for: Child | None = None) -> None:
        """Raise if a child or a server has ended."""
        for service in self.services.started:
            service.check()
        for child in self.children:
            if child is not except_for:
                child.check()

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        try:
            connection.request("GET", "/health/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def wait_for_web(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            self.check()
            if time.monotonic() > deadline:
                web = next(child for child in self.children if child.name == "web")
                raise PortalError(f"The web process does not answer at {self.url}; its log ends with:\n{web.tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.end(deadline)
        self.children.clear()


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the state folder. Raises PortalError while another process does."""
    open_state(state)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PortalError(f"A portal already runs on {state}. Stop it first, or name another folder in LETTERLOCK_STATE.") from error
        yield


@contextmanager
def running(state: Path, *, port: int = PORT, durable: bool = True, say: Say) -> Iterator[Portal]:
    """Start everything, give the portal once its first page answers, and stop everything at the end. Raises PortalError or ServiceError."""
    with ExitStack() as stack:
        stack.enter_context(only_one(state))
        services = stack.enter_context(servers.running(state, durable=durable))
        say("up", f"PostgreSQL and Valkey are ready, state in {state}")
        url = f"http://127.0.0.1:{servers.free_port(port)}"
        addresses = {
            "DATABASE_URL": services.database_url,
            "REDIS_URL": services.redis_url,
            "LETTERLOCK_URL": url,
            "LETTERLOCK_SMTP_URL": f"smtp://127.0.0.1:{servers.free_port(2525 if port else 0)}",
            "LETTERLOCK_DNS": f"127.0.0.1:{servers.free_port(5353 if port else 0)}",
        }
        given = {**embedded.without_keys(os.environ), **addresses, "LETTERLOCK_STATE": str(state), "PYTHONUNBUFFERED": "1"}
        environment = given | embedded.missing_from(given, embedded.settings(state))
        embedded.announce(state, addresses)
        portal = Portal(state, url, say, environment, services)
        stack.callback(portal.stop)
        start(portal, addresses)
        yield portal


def start(portal: Portal, addresses: dict[str, str]) -> None:
    """Start the children in the order in which they are first needed: on two cores each one's loading delays the others."""
    smtp_port, dns_port = (addresses[name].rsplit(":", 1)[1] for name in ("LETTERLOCK_SMTP_URL", "LETTERLOCK_DNS"))
    prepare = portal.launch("prepare", "manage.py", "prepare")
    portal.launch("web", "-m", "gunicorn", "-c", "python:portal.running.gunicorn", "-b", portal.url.removeprefix("http://"), "portal.wsgi")
    portal.launch("dns", "-m", "portal.running.nameserver", str(portal.zone), dns_port)
    portal.launch("inbox", "-m", "portal.running.inbox", str(portal.inbox), smtp_port)
    portal.finish(prepare)
    portal.wait_for_web()
    portal.say("up", f"the first page answers at {portal.url}/")
    celery = ("-m", "celery", "-A", "portal")
    # Gossip, mingle and heartbeats are for workers that watch one another; here the supervisor does.
    alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    portal.launch("worker", *celery, "worker", "-l", "INFO", "-c", "2", "-O", "fair", *alone)
    portal.launch("signer", "manage.py", "signer")
    if portal.environment.get("LETTERLOCK_INTAKE_DOMAIN"):
        portal.launch("intake", "manage.py", "intake")
    portal.launch("beat", *celery, "beat", "-l", "INFO", "-s", str(portal.state / "beat"), "--pidfile", "")
