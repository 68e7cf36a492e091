"""The embedded mode: the secrets a checkout makes and keeps for itself, and the environment of each of its processes.

Production takes neither from here: there every value comes from the environment, and a missing one is an error.
"""

import base64
import json
import os
import secrets
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from portal.running.folders import embedded_database_url, open_state, short_folder, state_folder

# Example arc of RFC 5612: policy identifiers made under it mean nothing outside the demo.
POLICY_ARC = "1.3.6.1.4.1.32473.1"
KEKS = ("LETTERLOCK_CA_KEK", "LETTERLOCK_SIGNING_KEK", "LETTERLOCK_DATA_KEK")
# Which of the key-encryption keys a process is given; whatever is not named here is given none.
ROLES: Mapping[str, tuple[str, ...]] = {
    "signer": ("LETTERLOCK_CA_KEK",),
    "ca": ("LETTERLOCK_CA_KEK",),
    "prepare": ("LETTERLOCK_CA_KEK",),
    "web": ("LETTERLOCK_DATA_KEK",),
    "intake": ("LETTERLOCK_DATA_KEK",),
    "worker": ("LETTERLOCK_SIGNING_KEK", "LETTERLOCK_DATA_KEK"),
}


def secret(state: Path, name: str) -> Path:
    """The file of one secret of this checkout, made on first use: 32 random bytes in base64."""
    folder = state / "secrets"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)))
        try:
            # A link fails if another process was first; its secret is the one that counts.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path


def settings(state: Path) -> dict[str, str]:
    """What every process of this checkout has in its environment, besides the addresses of what is running."""
    return {
        "SECRET_KEY_FILE": str(secret(state, "SECRET_KEY")),
        "LETTERLOCK_STATE": str(state),
        "LETTERLOCK_SIGNER_SOCKET": str(short_folder(state, "signer") / "signer.sock"),
        "LETTERLOCK_POLICY_ARC": POLICY_ARC,
        # The reserved policies may be named because everything is under a root that says DEMO - DO NOT TRUST.
        "LETTERLOCK_ASSERT_BR": "true",
        "LETTERLOCK_DEMO": "true",
        "LETTERLOCK_PKI_URL": "http://pki.example.org",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "LETTERLOCK_RELAY_FOLDER": str(state / "inbox"),
    }


def missing_from(environment: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Those of `values` that `environment` does not set, itself or by a file."""
    given = {name.removesuffix("_FILE") for name, value in environment.items() if value}
    return {name: value for name, value in values.items() if name.removesuffix("_FILE") not in given}


def keys_for(role: str, state: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The key-encryption keys of one role: those of `environment`, else the checkout's own."""
    given = {}
    for name in ROLES.get(role, ()):
        named = {key: environment[key] for key in (name, f"{name}_FILE") if environment.get(key)}
        given.update(named or {f"{name}_FILE": str(secret(state, name))})
    return given


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without any key-encryption key."""
    return {key: value for key, value in environment.items() if key.removesuffix("_FILE") not in KEKS}


def announce(state: Path, addresses: Mapping[str, str]) -> None:
    """Leave the addresses of what is running for commands that are called beside it; they hold a password, so for the owner alone."""
    draft = state / ".running.draft"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(addresses), file)
    draft.rename(state / "running.json")


def adopt(command: str, environment: MutableMapping[str, str]) -> None:
    """Complete `environment` for one `manage.py` command of a checkout that has no settings of its own.

    Does nothing where `DATABASE_URL` is set: then the environment is expected to be complete.
    """
    if environment.get("DATABASE_URL"):
        return
    state = state_folder(environment)
    open_state(state)
    found = state / "running.json"
    # Before the first start there are no addresses; commands that need no server work all the same.
    running = json.loads(found.read_bytes()) if found.exists() else {"DATABASE_URL": embedded_database_url(state), "REDIS_URL": "redis://127.0.0.1"}
    environment.update(missing_from(environment, {**settings(state), **running, **keys_for(command, state, environment)}))
