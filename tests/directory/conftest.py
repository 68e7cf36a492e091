"""The cast of the directory's tests: Alice's bank, Charlie's shop, which must see nothing, and an authority that signs for anyone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from directory import tokens
from directory.api import quotas
from directory.models import ApiToken, Certificate, Organization
from directory.organizations import create_organization
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from tests.pki import Authority, Usage

ALICE, CHARLIE = "user:alice", "user:charlie"


@pytest.fixture
def at() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


def make_organization(name: str, number: str, domain: str, *, at: datetime, actor: str = "user:reviewer") -> Organization:
    return create_organization(
        legal_name=name,
        country="DE",
        organization_identifier=f"NTRDE-DER3306.HRB{number}",
        address="1 Main Street",
        website=f"https://www.{domain}",
        time_zone="Europe/Berlin",
        domain=domain,
        actor=actor,
        at=at,
    )


@pytest.fixture
def bank(db: None, at: datetime) -> Organization:  # noqa: ARG001 - the database
    return make_organization("Bank AG", "1", "bank.example.com", at=at)


@pytest.fixture
def shop(db: None, at: datetime) -> Organization:  # noqa: ARG001 - the database
    return make_organization("Shop GmbH", "2", "shop.example.net", at=at)


Publisher = Callable[..., Certificate]


@pytest.fixture
def published(db: None, at: datetime, authority: Authority) -> Publisher:  # noqa: ARG001 - the database
    """Publish a new certificate for an address; `kind`, `usage` and `days` are those of `Authority.leaf`, the rest those of `publish`."""

    def make(
        email: str, kind: str = "p256", usage: Usage = Usage.DUAL, *, days: tuple[int, int] = (-1, 365), when: datetime | None = None, **facts: object
    ) -> Certificate:
        parsed = parse_certificate(authority.leaf(email, kind, usage, days=days).der)
        given: dict[str, object] = {"level": "V1", "source": "uploaded", "actor": ALICE} | facts
        return publish(address=EmailAddress.parse(email), parsed=parsed, at=when or at, **given)  # type: ignore[arg-type]

    return make


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def token_of(at: datetime) -> Callable[..., tuple[ApiToken, str]]:
    def make(organization: Organization, *scopes: str) -> tuple[ApiToken, str]:
        return tokens.make_token(organization=organization, name="Test", scopes=scopes or ("lookup",), actor=ALICE, at=at - timedelta(minutes=1))

    return make


@pytest.fixture(autouse=True)
def _fresh_counts() -> Iterator[None]:
    """No test starts with what another has counted or remembered."""
    cache.clear()
    tokens.forget_known()
    quotas.forget_own_counts()
    yield
    tokens.forget_known()
