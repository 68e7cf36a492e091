"""Settings come out of the environment, and every bad value is named at once."""

import base64
from pathlib import Path

import pytest

from portal.env import BadEnvironmentError, Environment


def test_it_names_every_bad_value_in_one_go() -> None:
    env = Environment({"DEBUG": "perhaps", "KEK": "short", "PORT": "70000", "URL": "ftp://x", "DB": "mysql://x/y"})
    env.boolean("DEBUG", default=False)
    env.key("KEK")
    env.integer("PORT", 25, least=1, most=65535)
    env.address("URL", "", schemes=frozenset({"http"}))
    env.database("DB")
    env.text("SECRET_KEY")
    with pytest.raises(BadEnvironmentError) as raised:
        env.check()
    for name in ("DEBUG", "KEK", "PORT", "URL", "DB", "SECRET_KEY"):
        assert f"  {name}: " in str(raised.value)


def test_it_reads_a_secret_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "kek"
    secret.write_text(base64.b64encode(bytes(range(32))).decode() + "\n", encoding="utf-8")
    env = Environment({"KEK_FILE": str(secret)})
    assert env.key("KEK") == bytes(range(32))
    env.check()


def test_it_refuses_a_value_and_a_file_together(tmp_path: Path) -> None:
    env = Environment({"NAME": "a", "NAME_FILE": str(tmp_path / "b")})
    env.text("NAME")
    with pytest.raises(BadEnvironmentError, match="not both"):
        env.check()


def test_it_never_repeats_a_bad_secret() -> None:
    env = Environment({"KEK": "bm90IDMyIGJ5dGVz"})
    assert env.key("KEK") is None
    with pytest.raises(BadEnvironmentError) as raised:
        env.check()
    assert "bm90IDMyIGJ5dGVz" not in str(raised.value)


def test_it_reads_a_database_behind_a_socket() -> None:
    env = Environment({"DATABASE_URL": "postgres://portal@/letterlock?host=/run/pg&connect_timeout=3"})
    settings = env.database("DATABASE_URL")
    assert (settings["HOST"], settings["NAME"], settings["USER"]) == ("/run/pg", "letterlock", "portal")
    assert settings["OPTIONS"] == {"connect_timeout": "3"}
    env.check()


def test_it_takes_an_absent_key_as_none() -> None:
    env = Environment({})
    assert env.key("LETTERLOCK_CA_KEK") is None
    env.check()
