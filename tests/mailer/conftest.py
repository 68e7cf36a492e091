"""A certificate authority and a signer for the mailer's tests, and the two organisations of the cast: Alice's bank and Charlie's shop."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from directory.models import Organization
from directory.organizations import create_organization
from mailer import sending
from mailer.ca.ceremony import DEMO_MARK, KeyKind, Names, hold
from mailer.ca.server import Signer, listening
from mailer.ca.throttle import Throttle
from mailer.models import SigningIdentity
from mailer.outbox import depth
from mailer.resting import RestingDomains
from mailer.signing_keys import forget_signers
from tests.mailer.letters import Desk, make_identity
from tests.pki import Authority

ALICE = "user:a11ce000-0000-4000-8000-000000000001"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def ca(db: None, settings: Settings, now: datetime) -> None:  # noqa: ARG001 - the tables
    """A root and an S/MIME CA, keys sealed for the signer."""
    assert hold(Names("DE", "Letterlock Demo", DEMO_MARK), kind=KeyKind.P384, kek=settings.LETTERLOCK_CA_KEK, actor="system:ceremony", at=now)


@pytest.fixture
def signer(ca: None, settings: Settings) -> Signer:  # noqa: ARG001 - the CA it signs for
    """What the signer process runs, in this process and on this test's database connection."""
    return Signer(settings.LETTERLOCK_CA_KEK, Throttle(per_minute=6000, burst=1000))


@pytest.fixture
def signing_service(transactional_db: None, signer: Signer, settings: Settings, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001
    """The signer behind its real socket, in a thread with a database connection of its own."""
    path = tmp_path / "signer.sock"
    settings.LETTERLOCK_SIGNER_SOCKET = path
    forget_signers()
    with listening(path, signer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()
    forget_signers()


def make_organization(name: str, domain: str, number: int, at: datetime) -> Organization:
    return create_organization(
        legal_name=name,
        country="DE",
        organization_identifier=f"NTRDE-DER3306.HRB{number}",
        address="Musterstraße 1, 10115 Berlin",
        website=f"https://www.{domain}",
        time_zone="Europe/Berlin",
        domain=domain,
        actor="user:reviewer",
        at=at,
    )


@pytest.fixture
def bank(db: None, now: datetime) -> Organization:  # noqa: ARG001 - the tables
    """Alice's organisation."""
    return make_organization("Muster Bank AG", "bank.example.com", 12345, now)


@pytest.fixture
def shop(db: None, now: datetime) -> Organization:  # noqa: ARG001 - the tables
    """Charlie's organisation."""
    return make_organization("Charlies Laden GmbH", "shop.example.net", 54321, now)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Signs for the recipients, and for senders where the real CA is not what is tested."""
    return Authority()


@pytest.fixture
def bills(bank: Organization, authority: Authority, now: datetime) -> Iterator[SigningIdentity]:
    """The address that Alice's bank sends from."""
    forget_signers()
    depth.forget()
    sending.resting = RestingDomains()
    yield make_identity(bank, "bills@bank.example.com", authority, at=now)
    forget_signers()


@pytest.fixture
def offers(shop: Organization, authority: Authority, now: datetime) -> SigningIdentity:
    """The address that Charlie's shop sends from."""
    return make_identity(shop, "offers@shop.example.net", authority, at=now)


@pytest.fixture
def desk(authority: Authority, tmp_path: Path) -> Desk:
    """Where recipients open their mail."""
    return Desk(authority, tmp_path)
