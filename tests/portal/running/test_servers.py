"""PostgreSQL and Valkey: the environment's first, else children of this process."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from portal.running import folders, servers


@pytest.fixture
def state(open_folder: Path) -> Path:
    return open_folder / "state"


def test_it_starts_nothing_that_the_environment_names(state: Path) -> None:
    given = {"DATABASE_URL": "postgres://db.example.org/x", "REDIS_URL": "redis://redis.example.org/0"}
    with servers.running(state, durable=False, environment=given) as found:
        assert (found.database_url, found.redis_url, found.started) == (given["DATABASE_URL"], given["REDIS_URL"], [])


def test_it_keeps_data_and_lets_nobody_in_without_the_password(state: Path) -> None:
    with servers.running(state, durable=True, environment={}) as found:
        with psycopg.connect(found.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT '信' AS word")
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        redis.Redis.from_url(found.redis_url).set("kept", "yes")
        nameless = redis.Redis.from_url("redis://" + found.redis_url.partition("@")[2])
        with pytest.raises(redis.AuthenticationError):
            nameless.get("kept")
        assert [service.process.poll() for service in found.started] == [None, None]
    assert all(service.process.poll() is not None for service in found.started)
    with servers.running(state, durable=True, environment={}) as again:
        with psycopg.connect(again.database_url) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("信",)
        assert redis.Redis.from_url(again.redis_url).get("kept") == b"yes"


def test_it_stops_what_it_began_when_the_rest_fails(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[servers.Service] = []

    def refuse(_state: Path, so_far: list[servers.Service], *, durable: bool) -> str:  # noqa: ARG001 - the other's signature
        started.extend(so_far)
        raise servers.ServiceError("no Valkey")

    monkeypatch.setattr(servers, "_start_valkey", refuse)
    with pytest.raises(servers.ServiceError, match="no Valkey"):
        servers.start(state, durable=False, environment={})
    assert [service.process.poll() is not None for service in started] == [True]


def test_it_keeps_sockets_where_the_path_is_short(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    folder = folders.short_folder(deep, "pg")
    assert len(str(folder / ".s.PGSQL.5432")) < 108
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folders.short_folder(deep, "pg") == folder


def test_it_opens_folders_for_others_whatever_the_umask(open_folder: Path) -> None:
    before = os.umask(0o077)
    try:
        state = open_folder / "state"
        folders.open_state(state)
        run = folders.short_folder(state, "pg").parent
        (state / "tree" / "bin").mkdir(parents=True)
        program, text = state / "tree" / "bin" / "program", state / "tree" / "text"
        for path, mode in ((program, 0o700), (text, 0o600)):
            path.touch()
            path.chmod(mode)
        folders.let_all_read(state / "tree")
    finally:
        os.umask(before)
    assert run.stat().st_mode & 0o777 == 0o711
    assert [path.stat().st_mode & 0o777 for path in (program.parent, program, text)] == [0o755, 0o755, 0o644]


def test_it_trusts_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pg").symlink_to(tmp_path)
    with pytest.raises(folders.FolderError, match="belongs to somebody else"):
        folders.short_folder(tmp_path, "pg")


def test_it_finds_another_port_when_the_wanted_one_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert servers.free_port(port) not in {0, port}
    assert servers.free_port(port) == port


def test_it_says_that_a_server_ended_whose_log_is_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(["false"])
    process.wait()
    with pytest.raises(servers.ServiceError, match=r"Valkey ended with status 1:\nIts log cannot be read"):
        servers.Service("Valkey", process, signal.SIGTERM, tmp_path / "gone.log").check()
