"""What the tests ask of another mail program, and how they know whether it is here."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from tests.pki import Holder


class RefusedBy(Exception):
    """The program could not open, or did not call verified, what it was given; the text is its own."""


class Engine(Protocol):
    """A mail program with some holders' keys and one root that it trusts. All methods raise RefusedBy."""

    version: str

    def opens(self, envelope: bytes, holder: str) -> bytes:
        """The content of a DER EnvelopedData or AuthEnvelopedData, with this holder's key."""
        ...

    def verifies(self, signature: bytes, content: bytes | None = None) -> bytes:
        """The content that a DER SignedData signs, once signature and chain are good; `content` is given where it is detached."""
        ...

    def close(self) -> None: ...


class Requirement(NamedTuple):
    """`packages` are Debian's, `files` show that they are installed."""

    packages: Sequence[str]
    files: Sequence[str]


def need(name: str, requirement: Requirement) -> None:
    """Skip where the program is not installed; fail where LETTERLOCK_ENGINES=required."""
    if all(Path(file).exists() for file in requirement.files):
        return
    words = f"{name} is not here: apt-get install -y --no-install-recommends {' '.join(requirement.packages)}"
    if os.environ.get("LETTERLOCK_ENGINES") == "required":
        pytest.fail(words)
    pytest.skip(words)


def run(
    command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None, given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; what its exit code means differs from program to program."""
    return subprocess.run(command, cwd=folder, env=environment, input=given, capture_output=True, timeout=120, check=False)


def words_of(ended: subprocess.CompletedProcess[bytes]) -> str:
    said = (ended.stderr or ended.stdout).decode(errors="replace").split("\n")
    return f"exit {ended.returncode}: " + " / ".join(line.strip() for line in said if line.strip())[-400:]


Holders = Mapping[str, Holder]
# Who signs, and so must have the intermediate certificates at hand.
SIGNER = "bank"


def owner(holder: str) -> str:
    """Whose a key is, by its name among the holders."""
    return holder.partition("-")[0]
