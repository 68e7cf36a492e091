#!/usr/bin/env python3
"""Make the virtual environment and install what a command needs, every package by hash.

Runs before anything is installed, so it uses the standard library alone: `python3 -I portal/running/bootstrap.py demo|development|test|soak`.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
# What each set brings with it, so that installing the larger one also counts as the smaller.
SETS = {"demo": ("demo",), "development": ("demo", "development")}
# A command's set, and the other programs that it tries the product with.
COMMANDS = {"demo": ("demo", ()), "development": ("development", ()), "test": ("development", ("test",)), "soak": ("development", ("test", "soak"))}
# Debian's package of each other program, and the file by which it is known.
ENGINES = {
    "test": {
        "gpg-agent": "/usr/bin/gpg-agent",
        "gpgsm": "/usr/bin/gpgsm",
        "libnss3-tools": "/usr/bin/cmsutil",
        "default-jdk-headless": "/usr/bin/javac",
        "libbcmail-java": "/usr/share/java/bcmail.jar",
        "postfix": "/usr/sbin/postfix",
        "python3-dkim": "/usr/lib/python3/dist-packages/dkim/__init__.py",
        "python3-nacl": "/usr/lib/python3/dist-packages/nacl/__init__.py",
        "slapd": "/usr/sbin/slapd",
        "ldap-utils": "/usr/bin/ldapsearch",
    },
    "soak": {"thunderbird": "/usr/bin/thunderbird"},
}
# These would set themselves up for this machine's mail or addresses, and start.
ANSWERS = {
    "postfix": "postfix postfix/main_mailer_type select No configuration\n",
    "slapd": "slapd slapd/no_configuration boolean true\n",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OLDEST = (3, 11)


def say(text: str) -> None:
    sys.stderr.write(f"set-up | {text}\n")


def missing_from_apt(wanted: str) -> list[str]:
    """The Debian packages without which `wanted` cannot be set up or run here."""
    missing = []
    if not VENV.exists() and importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if shutil.which("openssl") is None:
        missing.append("openssl")
    if wanted == "development" and not any(shutil.which(name) for name in BROWSERS):
        missing.append("chromium")
    return missing


def missing_engines(groups: Sequence[str]) -> list[str]:
    """The Debian packages of the other programs that are not here."""
    return [package for group in groups for package, file in ENGINES[group].items() if not Path(file).exists()]


def may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_from_apt(packages: list[str]) -> None:
    """Install as root, or print the one line that does and end."""
    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if not may_install():
        raise SystemExit(f"Some system packages are missing. Install them, then run this again:\n\n    sudo {line}\n")
    say(f"installing {', '.join(packages)} with apt")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = [["apt-get", "update", "-qq"], [*line.split(), "-qq", "-o", "DPkg::Lock::Timeout=300"]]
    answers = "".join(ANSWERS.get(package, "") for package in packages)
    if answers:
        commands.insert(0, ["debconf-set-selections"])
    for command in commands:
        done = subprocess.run(command, env=quiet, input=answers, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def install_engines(groups: Sequence[str]) -> None:
    """Tests of a program that is not here are skipped, so a failure ends nothing unless LETTERLOCK_ENGINES=required."""
    missing = missing_engines(groups)
    if not missing:
        return
    try:
        install_from_apt(missing)
    except SystemExit as refusal:
        if os.environ.get("LETTERLOCK_ENGINES") == "required":
            raise
        say(f"{refusal}\nWithout them the tests that need them are skipped.")


def fingerprint(name: str) -> str:
    """What an installed set is known by: its locked files and the interpreter they were installed for."""
    digest = hashlib.sha256(sys.version.encode())
    for part in ("bootstrap", name):
        digest.update((REQUIREMENTS / f"{part}.txt").read_bytes())
    return digest.hexdigest()


def stamp(name: str) -> Path:
    return VENV / f"installed-{name}"


def installed(name: str) -> bool:
    return stamp(name).exists() and stamp(name).read_text(encoding="ascii") == fingerprint(name)


def bundled_pip() -> Path | None:
    """The pip that came with Python, as a wheel: it runs from there, which spares a third of the time that making an environment takes."""
    spec = importlib.util.find_spec("ensurepip")
    folders = [Path("/usr/share/python-wheels")]
    if spec and spec.origin:
        folders.insert(0, Path(spec.origin).parent / "_bundled")
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


def make_environment() -> None:
    """A fresh virtual environment unless a working one is there."""
    python = VENV / "bin" / "python"
    if python.exists() and subprocess.run([python, "-I", "-c", ""], capture_output=True, check=False).returncode == 0:
        return
    say("making .venv")
    without = ["--without-pip"] if bundled_pip() else []
    subprocess.run([sys.executable, "-I", "-m", "venv", "--clear", *without, VENV], check=True)


def install(wanted: str) -> None:
    """Install the locked set: with uv, itself installed by hash, and with pip where uv cannot reach the package index."""
    python = str(VENV / "bin" / "python")
    wheel = bundled_pip()
    program = [python, f"{wheel}/pip"] if wheel else [python, "-I", "-m", "pip"]
    pip = [*program, "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
    first, locked = (str(REQUIREMENTS / f"{name}.txt") for name in ("bootstrap", wanted))
    quiet = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    say(f"installing requirements/{wanted}.txt by hash")
    fast = subprocess.run([*pip, "-r", first], env=quiet, stderr=subprocess.DEVNULL, check=False).returncode == 0
    if fast:
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "-q", "--no-build", "--require-hashes", "--compile-bytecode", "--python", python]
        fast = subprocess.run([*uv, "-r", locked], env=quiet, check=False).returncode == 0
    if not fast:
        say("uv could not install them; trying pip, which takes longer")
        if subprocess.run([*pip, "-r", locked], env=quiet, check=False).returncode:
            raise SystemExit("The packages could not be installed; what pip said is above.")


def main(arguments: list[str]) -> None:
    if sys.version_info < OLDEST:
        raise SystemExit(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed; this is {sys.version.split()[0]}.")
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        raise SystemExit(f"usage: bootstrap.py {'|'.join(COMMANDS)}")
    wanted, engines = COMMANDS[arguments[0]]
    folder = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    missing = missing_from_apt(wanted)
    if missing:
        install_from_apt(missing)
    install_engines(engines)
    make_environment()
    if not installed(wanted):
        install(wanted)
        for name in SETS[wanted]:
            stamp(name).write_text(fingerprint(name), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1:])
