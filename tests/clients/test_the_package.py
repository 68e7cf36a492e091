"""What `pip install letterlock` gives: built offline, installed with what it declares and nothing else, and doing its work there."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.clients.conftest import BOB, SENDER, Publish
from tests.mailer.letters import SECRET_WORDS, Desk

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "clients" / "python"
CORES = {"mailer/smime": ROOT / "mailer" / "smime", "directory/x509": ROOT / "directory" / "x509"}


def _run(*command: str | Path, cwd: Path, given: bytes = b"", reach: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **(reach or {})}
    return subprocess.run([str(part) for part in command], cwd=cwd, env=environment, input=given, capture_output=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, from the source archive as package indexes build it."""
    folder = tmp_path_factory.mktemp("built")
    done = _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert not [entry.name for entry in opened if not entry.isfile()], "a link leads nowhere once it is unpacked"
        opened.extractall(folder, filter="data")
    done = _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=folder / archive.name.removesuffix(".tar.gz"))
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def _needed(requirements: list[str], known: dict[str, Distribution]) -> dict[str, Distribution]:
    """The installed distributions of these requirements and of what they require."""
    for text in requirements:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        if name in known or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found = known[name] = distribution(wanted.name)
        assert wanted.specifier.contains(found.version), f"{wanted} is not what the tests run with: {found.version}"
        _needed(found.requires or [], known)
    return known


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and the distributions that it declares; its `bin`."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "bin" / "python"
    assert _run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder).returncode == 0
    program = Path(sys.executable).with_name("uv")
    done = _run(program, "pip", "install", "--no-deps", "--no-index", "--offline", "--python", python, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(wheel) as opened:
        metadata = opened.read(next(name for name in opened.namelist() if name.endswith("/METADATA"))).decode()
    declared = [line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    for found in _needed(declared, {}).values():
        for name in {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            (packages / name).symlink_to(Path(str(found.locate_file(name))))
    return folder / "bin"


def _members(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            yield name, opened.read(name)


def test_it_holds_the_very_files_of_the_cores(wheel: Path) -> None:
    members = dict(_members(wheel))
    for name, folder in CORES.items():
        shipped = {path.rpartition("/")[2]: octets for path, octets in members.items() if path.startswith(f"letterlock/_core/{name}/")}
        assert shipped == {path.name: path.read_bytes() for path in folder.glob("*.py")}
    for name in ("isolation.py", "isolated_child.py"):
        assert members[f"letterlock/_core/directory/{name}"] == (ROOT / "directory" / name).read_bytes()


def test_the_tree_holds_no_copy_of_them() -> None:
    done = _run("git", "ls-files", "-s", "clients/python/src/letterlock/_core", cwd=ROOT)
    entries = [line.split(maxsplit=3) for line in done.stdout.decode().splitlines()]
    if not entries:
        pytest.fail("the client's core is not in the repository")
    assert sorted(Path(name).name for mode, _object, _stage, name in entries if mode != "120000") == ["__init__.py"] * 3


def test_it_takes_no_name_but_its_own(wheel: Path) -> None:
    assert {name.partition("/")[0] for name, _octets in _members(wheel)} == {"letterlock", "letterlock-0.1.0.dist-info"}
    assert {"letterlock/py.typed", "letterlock-0.1.0.dist-info/licenses/LICENSE"} <= {name for name, _octets in _members(wheel)}


ASK = """
import sys
import letterlock, letterlock.command
print([name for name in ("django", "mailer", "directory", "portal", "celery", "rest_framework") if name in sys.modules])
for name in ("django", "mailer", "directory"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        print("no", name)
print(letterlock.__file__)
"""


def test_it_needs_no_django(installed: Path, tmp_path: Path) -> None:
    done = _run(installed / "python", "-W", "error", "-c", ASK, cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert lines[:-1] == ["[]", "no django", "no mailer", "no directory"], done.stderr
    assert lines[-1].startswith(str(installed.parent))


def test_its_command_does_its_work_there(installed: Path, reach: dict[str, str], publish: Publish, key_files: dict[str, str], desk: Desk) -> None:
    bob, command, tmp_path = publish(BOB), installed / "letterlock", desk.folder
    done = _run(command, "lookup", "--json", BOB, cwd=tmp_path, reach=reach)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["status"] == "found"
    files = ("--key", key_files["key"], "--cert", key_files["certificate"], "--chain", key_files["chain"])
    done = _run(command, "seal", "--from", SENDER, "--to", BOB, "-o", "mail.eml", *files, cwd=tmp_path, given=SECRET_WORDS.encode(), reach=reach)
    assert done.returncode == 0, done.stderr
    assert desk.open((tmp_path / "mail.eml").read_bytes(), bob).words.strip() == SECRET_WORDS
    (tmp_path / "bob.key").write_bytes(bob.key_pem)
    (tmp_path / "bob.crt").write_bytes(bob.pem)
    opening = ("--key", "bob.key", "--cert", "bob.crt")
    done = _run(command, "verify", "mail.eml", "--ca", key_files["root"], *opening, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"verified: signed by {SENDER} and encrypted\n".encode()), done.stderr


def test_its_version_is_told_once(installed: Path, tmp_path: Path) -> None:
    done = _run(installed / "letterlock", "--version", cwd=tmp_path)
    assert done.stdout == b"letterlock 0.1.0\n"
    ask = "from importlib.metadata import version; import letterlock; print(version('letterlock') == letterlock.__version__)"
    assert _run(installed / "python", "-c", ask, cwd=tmp_path).stdout == b"True\n"
