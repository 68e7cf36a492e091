"""What every test stands on: real PostgreSQL, a real Redis-protocol server, real SMTP and DNS, and no way to the outside.

`DATABASE_URL` and `REDIS_URL` name servers to use; without them embedded ones are started for the session.
"""

import base64
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path

import django
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from portal.running import servers
from portal.running.embedded import KEKS, POLICY_ARC
from portal.running.inbox import InboxServer
from portal.running.nameserver import NameServer, Zone

_session = ExitStack()


class OutsideError(Exception):
    """A test tried to reach something that is not on this machine."""


def _stay_inside(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        target = arguments[1]
        if not isinstance(target, tuple) or target[0] in {"", "localhost"}:
            return
        if not ip_address(target[0]).is_loopback:
            raise OutsideError(f"{event} to {target}")
    elif event == "socket.getaddrinfo" and arguments[0] not in {None, "", "localhost", "127.0.0.1", "::1", b"127.0.0.1"}:
        raise OutsideError(f"{event} of {arguments[0]!r}")


def _prepare() -> None:
    """Start the servers once a session and give each xdist worker a Redis database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        state = Path(tempfile.mkdtemp(prefix="letterlock-test-"))
        state.chmod(0o711)
        _session.callback(shutil.rmtree, state, ignore_errors=True)
        found = _session.enter_context(servers.running(state, durable=False))
        os.environ["LETTERLOCK_TEST_REDIS"] = found.redis_url
        os.environ |= {"DATABASE_URL": found.database_url, "REDIS_URL": found.redis_url, "LETTERLOCK_STATE": str(state)}
        os.environ |= {"SECRET_KEY": secrets.token_urlsafe(48), "LETTERLOCK_POLICY_ARC": POLICY_ARC, "LETTERLOCK_ASSERT_BR": "true"}
        os.environ |= {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in KEKS}
    else:
        number = int(worker.removeprefix("gw")) + 1
        os.environ["REDIS_URL"] = f"{os.environ['LETTERLOCK_TEST_REDIS'].rsplit('/', 1)[0]}/{number}"
        os.environ["LETTERLOCK_STATE"] = str(Path(os.environ["LETTERLOCK_STATE"]) / worker)
    # With the folder of collected static files, which WhiteNoise warns of when it is not there.
    (Path(os.environ["LETTERLOCK_STATE"]) / "static").mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    sys.addaudithook(_stay_inside)


# While this file is imported: the folders' own conftests come next, and may import models.
_prepare()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Else pytest-django would load the settings in each worker before `_prepare` gives it a Redis database of its own."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_unconfigure() -> None:
    _session.close()


@pytest.fixture(scope="session")
def _inbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InboxServer]:
    with InboxServer(tmp_path_factory.mktemp("inbox")) as server:
        yield server


@pytest.fixture
def inbox_server(_inbox_server: InboxServer, settings: Settings) -> InboxServer:
    """A real SMTP server, empty, to which Django and the outbox hand over; `.inbox.mails(to)`, `.room.refusals`, `.room.verdicts`."""
    _inbox_server.inbox.clear()
    _inbox_server.room.refusals.clear()
    _inbox_server.room.verdicts.clear()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", _inbox_server.port
    settings.LETTERLOCK_SMTP_URL = _inbox_server.url
    return _inbox_server


@pytest.fixture(scope="session")
def _name_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    with NameServer(Zone(tmp_path_factory.mktemp("zone") / "zone.json")) as server:
        yield server


@pytest.fixture
def zone(_name_server: NameServer, settings: Settings) -> Zone:
    """The empty zone of a real DNS server that the code under test asks; `.add(name, "TXT", value)`."""
    _name_server.zone.path.unlink(missing_ok=True)
    settings.LETTERLOCK_DNS = _name_server.address
    return _name_server.zone


_TRUNCATE_TRIGGERS = "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 32 <> 0"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:  # noqa: ARG001 - after the tables are made
    """Append-only tables refuse to be emptied, but transactional tests have to; those that show the refusal switch it on again."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(_TRUNCATE_TRIGGERS)
        for table, trigger in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, as servers under root need; pytest closes its own whenever a session begins."""
    folder = Path(tempfile.mkdtemp(prefix="letterlock-open-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
