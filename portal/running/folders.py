"""Where one checkout keeps its state, and the folders that another user has to reach."""

import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

CHECKOUT = Path(__file__).resolve().parents[2]
# The embedded PostgreSQL's role and database.
DATABASE = "letterlock"
# PostgreSQL refuses to run as root; this user owns nothing else.
UNPRIVILEGED = "nobody"
# A Unix socket's path has 107 characters; what is left is for the socket's own name.
SHORT = 80


class FolderError(Exception):
    """A folder that would have to be trusted belongs to somebody else."""


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`LETTERLOCK_STATE`, else `var` in the checkout; as root a folder outside it, since a home is closed to the unprivileged user."""
    named = environment.get("LETTERLOCK_STATE", "").strip()
    if named:
        return Path(named).resolve()
    if os.geteuid() != 0:
        return CHECKOUT / "var"
    return Path("/var/lib") / f"letterlock-{_mark(CHECKOUT)}"


def open_state(state: Path) -> None:
    """Make the folder; as root every user may enter it, but not list it, whatever the umask: PostgreSQL runs as another one."""
    if not state.exists():
        state.mkdir(parents=True)
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)


def short_folder(state: Path, name: str) -> Path:
    """A private folder for Unix sockets: under `state` if its path is short enough, else one in /tmp that is known by it."""
    folder = state / "run" / name
    if len(str(folder)) > SHORT:
        folder = Path(tempfile.gettempdir()) / f"letterlock-{_mark(state)}" / name
    if not folder.parent.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Not by mkdir's mode, which the umask narrows.
        folder.parent.chmod(0o711)
    _check_ours(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_ours(folder)
    return folder


def postgresql_socket(state: Path) -> Path:
    """The folder of the embedded PostgreSQL's socket, which is what keeps others out of it."""
    return short_folder(state, "pg")


def embedded_database_url(state: Path) -> str:
    """The address of the embedded PostgreSQL of `state`, whether it runs or not."""
    return f"postgres://{DATABASE}@/{DATABASE}?host={quote(str(postgresql_socket(state)), safe='')}"


def hand_to_unprivileged(folder: Path) -> None:
    entry = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    if not reachable_by_all(folder.parent):
        raise FolderError(f"{folder} is closed to the user {UNPRIVILEGED}: set LETTERLOCK_STATE to a folder that every user may enter.")


def reachable_by_all(path: Path) -> bool:
    """Whether every user may enter all folders above `path`, and `path` itself."""
    return all(entry.stat().st_mode & stat.S_IXOTH for entry in (path, *path.resolve().parents))


def let_all_read(tree: Path) -> None:
    """What the owner may read or run in a folder, every user may, whatever the umask was when it came to be."""
    for entry in (tree, *tree.rglob("*")):
        if not entry.is_symlink():
            mode = entry.stat().st_mode
            entry.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


def _mark(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:10]


def _check_ours(folder: Path) -> None:
    # Anybody can make a folder of this name in /tmp first, and would then own the sockets in it.
    found = folder.lstat()
    owners = {os.geteuid(), pwd.getpwnam(UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise FolderError(f"{folder} belongs to somebody else: remove it, or set LETTERLOCK_STATE to a shorter path.")
