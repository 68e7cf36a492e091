"""A checkout's own secrets and environment: made once, kept private, and never in the way of what is given."""

import base64
from pathlib import Path

import pytest

from portal.running import embedded


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"LETTERLOCK_STATE": str(tmp_path / "state")}


def test_it_makes_a_secret_once_for_the_owner_alone(tmp_path: Path) -> None:
    path = embedded.secret(tmp_path, "SECRET_KEY")
    first = path.read_bytes()
    assert len(base64.b64decode(first)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert embedded.secret(tmp_path, "SECRET_KEY").read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["SECRET_KEY"]


def test_it_leaves_a_real_deployment_alone() -> None:
    given = {"DATABASE_URL": "postgres://db.example.org/letterlock"}
    embedded.adopt("migrate", given)
    assert given == {"DATABASE_URL": "postgres://db.example.org/letterlock"}


def test_it_overrides_nothing_that_is_given(environment: dict[str, str]) -> None:
    environment |= {"SECRET_KEY": "given", "LETTERLOCK_CA_KEK": "given", "LETTERLOCK_DEMO": "false"}
    embedded.adopt("signer", environment)
    assert environment["SECRET_KEY"] == "given"
    assert environment["LETTERLOCK_DEMO"] == "false"
    assert not {"SECRET_KEY_FILE", "LETTERLOCK_CA_KEK_FILE"} & set(environment)


@pytest.mark.parametrize(
    ("command", "keys"),
    [("signer", {"LETTERLOCK_CA_KEK"}), ("ca", {"LETTERLOCK_CA_KEK"}), ("shell", set()), ("migrate", set()), ("demo_code", set()), ("", set())],
)
def test_it_gives_a_command_only_the_keys_of_its_role(environment: dict[str, str], command: str, keys: set[str]) -> None:
    embedded.adopt(command, environment)
    assert {name.removesuffix("_FILE") for name in environment} & set(embedded.KEKS) == keys


def test_it_finds_what_is_running(environment: dict[str, str]) -> None:
    state = Path(environment["LETTERLOCK_STATE"])
    embedded.adopt("check", dict(environment))
    embedded.announce(state, {"DATABASE_URL": "postgres://x@/x", "REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert (state / "running.json").stat().st_mode & 0o777 == 0o600
    embedded.adopt("check", environment)
    assert environment["REDIS_URL"] == "redis://:secret@127.0.0.1:1/0"


def test_it_passes_no_key_on() -> None:
    given = {"LETTERLOCK_CA_KEK": "x", "LETTERLOCK_SIGNING_KEK_FILE": "/x", "PATH": "/bin"}
    assert embedded.without_keys(given) == {"PATH": "/bin"}
