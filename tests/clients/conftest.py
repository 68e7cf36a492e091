"""The client against a running portal: Alice's bank with a key of its own, recipients with keys, and `openssl` as the judge of what was sealed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.cache import cache
from letterlock import Client, OwnKey, load_key
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from directory import tokens
from directory.api import quotas
from directory.models import Organization
from directory.tokens import make_token
from tests.clients.false_directory import FalseDirectory
from tests.mailer.conftest import make_organization
from tests.mailer.letters import Desk, publish_for
from tests.pki import Authority, Holder, Usage

SENDER, BOB, CAROL = "bills@bank.example.com", "bob@people.example.org", "carol@people.example.org"
Publish = Callable[..., Holder]


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def _fresh_counts() -> Iterator[None]:
    """No test starts with what another has counted or remembered."""
    cache.clear()
    tokens.forget_known()
    quotas.forget_own_counts()
    yield
    tokens.forget_known()


@pytest.fixture
def bank(transactional_db: None, now: datetime) -> Organization:  # noqa: ARG001 - the tables
    """Alice's organisation."""
    return make_organization("Muster Bank AG", "bank.example.com", 12345, now)


@pytest.fixture
def token(bank: Organization, now: datetime) -> str:
    """The bank's token for look-ups and sending."""
    return make_token(organization=bank, name="Billing", scopes=["lookup", "send"], actor="user:alice", at=now)[1]


@pytest.fixture
def publish(transactional_db: None, authority: Authority, now: datetime) -> Publish:  # noqa: ARG001 - the tables
    """Publish a new certificate of an address; gives the holder with the key."""

    def make(email: str, kind: str = "p256", usage: Usage = Usage.DUAL) -> Holder:
        holder = authority.leaf(email, kind, usage)
        publish_for(holder, email, at=now)
        return holder

    return make


@pytest.fixture
def portal(live_server: LiveServer, settings: Settings) -> str:
    """The running portal's address."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    url = str(live_server.url).replace("localhost", "127.0.0.1")
    settings.LETTERLOCK_URL = url
    return url


@pytest.fixture
def reach(portal: str, token: str) -> dict[str, str]:
    """The environment in which the command finds the portal."""
    return {"LETTERLOCK_URL": portal, "LETTERLOCK_TOKEN": token}


@pytest.fixture
def client(portal: str) -> Iterator[Client]:
    """A client without a token."""
    with Client(portal) as made:
        yield made


@pytest.fixture
def own(authority: Authority) -> Holder:
    """The certificate that the bank signs with, whose key the portal never sees."""
    return authority.leaf(SENDER, "rsa2048", Usage.SIGN, organization="Muster Bank AG")


@pytest.fixture
def key_files(own: Holder, authority: Authority, tmp_path: Path) -> dict[str, str]:
    """The bank's key, certificate and chain as files."""
    parts = {"key": own.key_pem, "certificate": own.pem, "chain": authority.issuer.pem, "root": authority.roots_pem}
    for name, content in parts.items():
        (tmp_path / f"{name}.pem").write_bytes(content)
    return {name: str(tmp_path / f"{name}.pem") for name in parts}


@pytest.fixture
def key(key_files: dict[str, str]) -> OwnKey:
    return load_key(key_files["key"], key_files["certificate"], key_files["chain"])


@pytest.fixture
def desk(authority: Authority, tmp_path: Path) -> Desk:
    """Where recipients open their mail, with `openssl`."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(authority, folder)


@pytest.fixture
def charlie() -> Iterator[FalseDirectory]:
    """A server that answers as Charlie likes."""
    with FalseDirectory() as server:
        yield server
