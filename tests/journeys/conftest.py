"""The whole portal, running: its own database and queue, web, signer, worker, beat, DNS and SMTP inbox."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from portal.running import supervisor

DATABASE = "letterlock_journey"
# The last of the sixteen that a Redis-protocol server has: parallel test workers count up from the first.
QUEUE = 15


@pytest.fixture
def portal(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[supervisor.Portal]:
    """A portal on the session's servers, in a database that is made for it and gone afterwards."""
    state = tmp_path_factory.mktemp("portal")
    state.chmod(0o711)
    with ExitStack() as stack:
        for name in [name for name in os.environ if name.startswith("LETTERLOCK_") or name in {"SECRET_KEY", "ALLOWED_HOSTS"}]:
            monkeypatch.delenv(name)
        server = os.environ["DATABASE_URL"]
        stack.callback(_drop, server)
        _drop(server)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        monkeypatch.setenv("DATABASE_URL", _named(server, DATABASE))
        monkeypatch.setenv("REDIS_URL", f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{QUEUE}")
        monkeypatch.setenv("LETTERLOCK_INTAKE_DOMAIN", "in.journey.example.org")
        monkeypatch.setenv("LETTERLOCK_INTAKE_LMTP", str(state / "intake.sock"))
        yield stack.enter_context(supervisor.running(Path(state), port=0, durable=False, say=lambda _who, _text: None))


def _drop(server: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _named(url: str, database: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{database}"))
