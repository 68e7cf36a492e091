"""The house's own rules: who may import whom, how long a file may be, and what names say nothing."""

import re
import subprocess
from pathlib import Path

import pytest
from importlinter.application import use_cases
from importlinter.configuration import configure

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("portal", "onboarding", "mailer", "directory")
TOP_LEVEL = {
    *ROOMS, "templates", "static", "tests", "docs", "bench", "clients", "requirements", "locale", ".ci",
    "manage.py", "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "LICENSE", ".env.example", ".gitignore",
    "package.json", "package-lock.json", ".npmrc",
}  # fmt: skip
EMPTY_NAMES = {"utils", "helpers", "services", "manager", "misc", "common", "util", "helper"}
LONGEST_FILE = 400


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in map(Path, listing.stdout.splitlines()) if (ROOT / path).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and "migrations" not in path.parts]


def test_it_imports_only_downwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    configure()
    assert use_cases.lint_imports(config_filename="pyproject.toml", cache_dir=None), "run lint-imports to see which contract broke"


def test_it_has_nothing_but_the_card_at_the_top() -> None:
    assert {path.parts[0] for path in tracked()} - TOP_LEVEL == set()


def test_it_keeps_files_small() -> None:
    long = {str(path): lines for path in sources() if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > LONGEST_FILE}
    assert long == {}


def test_it_has_no_name_that_says_nothing() -> None:
    assert [str(path) for path in sources() if path.stem in EMPTY_NAMES - ({"services"} if path.parts[:2] == ("portal", "running") else set())] == []


def test_it_imports_at_the_top_of_a_file() -> None:
    """An import inside a function hides a cycle. What may stand inside says why in the same line."""
    inside = re.compile(r"^ +(?:from [\w.]+ import|import [\w.]+)(?!.*# )", re.MULTILINE)
    found = [
        f"{path}: {match.group(0).strip()}"
        for path in sources()
        if path.parts[0] in ROOMS
        for match in inside.finditer((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert found == []


def test_it_names_no_package_index() -> None:
    marks = re.compile(r"--(?:extra-)?index-url|://\S+/simple\b|\"resolved\": *\"http")
    texts = [path for path in tracked() if path.parts[0] == "requirements" or path.name in {"package-lock.json", "Makefile", "run", "pyproject.toml"}]
    assert [str(path) for path in texts if marks.search((ROOT / path).read_text(encoding="utf-8"))] == []
    assert [path.name for path in (ROOT / "requirements").iterdir() if "://" in path.read_text(encoding="utf-8")] == []


def test_it_pins_every_requirement_by_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        pins = re.findall(r"^[a-z0-9][^\s=]*==\S+( \\)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert pins, path
        assert all(pins), f"{path}: a requirement without a hash"
