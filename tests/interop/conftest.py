"""The other mail programs, each set up once in a session, with the same cast's keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.interop import bouncycastle, gpgsm, nss, openssl
from tests.interop.cast import Cast
from tests.interop.engine import Engine, Holders, Requirement, need
from tests.interop.sealed import Sealer

# A folder, the cast's keys, the root and the issuer under it in PEM.
Start = Callable[[Path, Holders, bytes, bytes], Engine]
ENGINES: dict[str, tuple[Requirement, Start]] = {
    "openssl": (openssl.REQUIREMENT, openssl.OpenSsl),
    "nss": (nss.REQUIREMENT, nss.Nss),
    "gpgsm": (gpgsm.REQUIREMENT, gpgsm.Gpgsm),
    "bouncycastle": (bouncycastle.REQUIREMENT, bouncycastle.BouncyCastle),
}


@pytest.fixture(scope="session")
def cast() -> Cast:
    return Cast(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture(scope="session")
def sealer(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    return Sealer(cast, tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def started(cast: Cast, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Engine]]:
    """A new one of the named engine: it has seen no certificate but those of its own keys and the root."""
    running: list[Engine] = []

    def start(name: str) -> Engine:
        requirement, make = ENGINES[name]
        need(name, requirement)
        engine = make(tmp_path_factory.mktemp(name), cast.holders, cast.authority.roots_pem, cast.authority.issuer.pem)
        running.append(engine)
        return engine

    yield start
    for engine in running:
        engine.close()


@pytest.fixture(scope="session")
def one_of_each(started: Callable[[str], Engine]) -> Callable[[str], Engine]:
    """The session's one of the named engine."""
    found: dict[str, Engine] = {}
    return lambda name: found.get(name) or found.setdefault(name, started(name))
