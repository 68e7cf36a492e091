"""The whole house as processes that can be killed: PostgreSQL, Redis, the relay, web, workers and beat, on a state folder of their own."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import orjson
import psycopg

from portal.running import embedded, servers
from portal.running.leash import leashed
from tests.reliability.postfix import PostfixServer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90
LEASE, SMTP, IDLE = 6, 1, 2


class HouseError(Exception):
    """A process of the house did not do what the test needs."""


@dataclass
class Child:
    """One process that is started again after each kill; its log goes on."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    feed: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            command = leashed(self.command, ending=signal.SIGKILL)
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=dict(self.environment), stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )
        assert self.process.stdin is not None
        self.process.stdin.write(self.feed.encode())
        self.process.stdin.close()

    def kill(self) -> None:
        """SIGKILL to it alone: what it forked has to notice by itself."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def forks(self) -> list[int]:
        """What it forked, oldest first."""
        assert self.process is not None
        try:
            return [int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]
        except OSError:
            return []


@dataclass
class Ground:
    """The house. `relay` is `plain`, `once` for one that takes each Message-ID once, or `postfix`, which hands on to a plain one.

    `blind` is a plain one that is believed to be of the second kind: the design that doubles.
    """

    folder: Path
    relay: str = "plain"
    workers: int = 2
    more: Mapping[str, str] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    token: str = ""

    def __post_init__(self) -> None:
        self.relay_port, self.redis_port, self.web_port, self.hop_port = (servers.free_port() for _ in range(4))
        self._postgresql: list[servers.Service] = []
        for name in ("relay", "orders", "log", "postfix"):
            (self.folder / name).mkdir()
        self.postfix = PostfixServer(self.folder / "postfix", self.relay_port, self.hop_port, idle=IDLE) if self.relay == "postfix" else None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.web_port}"

    @property
    def journal(self) -> Path:
        return self.folder / "relay" / "journal.jsonl"

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.stop)
            self._open()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _open(self) -> None:
        self.start_postgresql()
        password = secrets.token_urlsafe(24)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LETTERLOCK_", "DATABASE_", "REDIS_", "SECRET_"))}
        environment |= embedded.settings(self.folder) | embedded.keys_for("worker", self.folder, {})
        environment.pop("LETTERLOCK_RELAY_FOLDER")
        environment |= {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": f"redis://:{password}@127.0.0.1:{self.redis_port}/0",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "LETTERLOCK_URL": f"http://{self.address}",
            "LETTERLOCK_SMTP_URL": f"smtp://127.0.0.1:{self.relay_port}",
            "LETTERLOCK_LEASE_SECONDS": str(LEASE),
            "LETTERLOCK_SMTP_SECONDS": str(SMTP),
            "LETTERLOCK_TOKEN_QUOTA": "1000000000",
            "LETTERLOCK_DEMO": "false",
            "MORTAL_ORDERS": str(self.folder / "orders"),
            "PYTHONUNBUFFERED": "1",
            **({"LETTERLOCK_RELAY_IDEMPOTENT": "true"} if self.relay in {"once", "blind"} else {}),
            **({"MORTAL_JOURNAL": str(self.journal)} if self.relay == "plain" else {}),
            **({"LETTERLOCK_RELAY_LOG": str(self.postfix.log), "LETTERLOCK_RELAY_SPOOL": str(self.postfix.spool)} if self.postfix else {}),
            **self.more,
        }
        self.environment = environment
        # Nothing is kept: each start is a wiped one.
        feed = f'bind 127.0.0.1\nport {self.redis_port}\nrequirepass {password}\ndir "{self.folder}"\nappendonly no\nsave ""\n'
        self._add("redis", [str(servers._valkey_program()), "-"], feed=f"{feed}maxmemory-policy noeviction\n")
        self._add_relay()
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0", "--no-input"], cwd=ROOT, env=environment, check=True)
        gunicorn = ("-m", "gunicorn", "-c", "python:portal.running.gunicorn", "-b", self.address, "portal.wsgi")
        self._add("web", [sys.executable, *gunicorn])
        celery, alone = (sys.executable, "-m", "celery", "-A"), ("--without-gossip", "--without-mingle", "--without-heartbeat")
        for number in range(self.workers):
            name = f"worker{number}"
            self._add(name, [*celery, "tests.reliability.mortal", "worker", "-l", "INFO", "-c", "2", "-O", "fair", "-n", f"{name}@%h", *alone])
        self._add("beat", [*celery, "portal", "beat", "-l", "WARNING", "-s", str(self.folder / "beat"), "--pidfile", ""])
        self.token = self.furnish("sending", "20")["token"]
        self.wait_for(lambda: _listens(self.web_port), "the web process")

    def furnish(self, what: str, *arguments: str) -> dict[str, str]:
        command = [sys.executable, "-m", "bench.in_django", "bench.furnishing", what, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, check=True)
        made: dict[str, str] = orjson.loads(done.stdout)
        return made

    def _add(self, name: str, command: list[str], *, feed: str = "") -> None:
        self.children[name] = Child(name, command, self.environment, self.folder / "log" / f"{name}.log", feed)
        self.children[name].start()

    def _add_relay(self) -> None:
        port, idle, kind = (self.hop_port, 60, "plain") if self.postfix else (self.relay_port, IDLE, self.relay)
        self._add("relay", [sys.executable, "-m", "tests.reliability.sink", str(port), str(self.folder / "relay"), str(idle), kind])
        if self.postfix:
            self.postfix.__enter__()

    def start_postgresql(self) -> None:
        """Also after a kill: what the old postmaster forked may still be holding its memory."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                found = servers.start(self.folder, durable=True, environment={"REDIS_URL": "another"})
            except servers.ServiceError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                self._postgresql, self.database_url = found.started, found.database_url
                return

    def kill_postgresql(self) -> None:
        (postmaster,) = self._postgresql
        postmaster.process.kill()
        postmaster.process.wait()

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(query, values).fetchall()

    def taken(self) -> list[str]:
        """The Message-ID of each mail that the relay took, as often as it did: what the sink wrote down, or Postfix's queue manager."""
        if self.postfix:
            text = self.postfix.text()
            names = dict(re.findall(r"/cleanup\[\d+\]: (\w+): message-id=(<.*>)\n", text))
            return [names.get(queue, queue) for queue in dict.fromkeys(re.findall(r"/qmgr\[\d+\]: (\w+): from=<.*>, size=", text))]
        return [message_id for message_id, _queue in self._written_down()]

    def counted(self) -> Counter[str]:
        """The same, by the sink alone, which believes nobody's log: once all that Postfix took has come to it.

        Postfix may hand one of its files on twice, if it is killed over it: that is no second mail of ours.
        """
        if self.postfix:
            self.wait_for(self.postfix.is_empty, "emptying Postfix's queue")
            return Counter(message_id for message_id, _queue in set(self._written_down()))
        return Counter(self.taken())

    def _written_down(self) -> list[tuple[str, str]]:
        lines = self.journal.read_bytes().splitlines() if self.journal.exists() else []
        found = (orjson.loads(line) for line in lines if line.endswith(b"}"))
        return [(line["id"], line["queue"]) for line in found]

    def deaths(self) -> list[dict[str, object]]:
        path = self.folder / "deaths.jsonl"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def log_of(self, name: str) -> str:
        return (self.folder / "log" / f"{name}.log").read_text(errors="replace")

    def wait_for(self, ready: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise HouseError(f"{what} took longer than {seconds} s; {self.folder}")
            time.sleep(0.05)

    def stop(self) -> None:
        for child in reversed(self.children.values()):
            child.kill()
        if self.postfix:
            self.postfix.kill()
        for service in self._postgresql:
            service.stop()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def open_ground(relay: str = "plain", *, workers: int = 2, more: Mapping[str, str] | None = None) -> Iterator[Ground]:
    """A house in a folder that goes away, unless something in it failed."""
    folder = Path(tempfile.mkdtemp(prefix="letterlock-kills-"))
    folder.chmod(0o711)
    with Ground(folder, relay, workers, more or {}) as ground:
        yield ground
    shutil.rmtree(folder, ignore_errors=True)
