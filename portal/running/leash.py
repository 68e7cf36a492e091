"""Become a program that ends when its parent does: `python -I -S leash.py <signal> <parent's pid> <user or -> <program> <arguments...>`.

A process of its own, because the kernel's parent-death signal has to be asked for between fork and exec, and a change of user clears it.
"""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals, parent: int) -> None:
    """Ask the kernel for `number` when the process `parent` ends; end at once if it already has. Linux only."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        raise SystemExit(1)


def drop_to(user: str) -> None:
    """Give up root for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def leashed(program: Sequence[str | Path], *, ending: signal.Signals, user: str | None = None) -> list[str]:
    """The command line that runs `program` so that this process's end sends it `ending`."""
    return [sys.executable, "-I", "-S", __file__, str(int(ending)), str(os.getpid()), user or "-", *map(str, program)]


def main(arguments: list[str]) -> None:
    ending, parent, user, *program = arguments
    if user != "-":
        drop_to(user)
    die_with_parent(signal.Signals(int(ending)), int(parent))
    os.execv(program[0], program)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    main(sys.argv[1:])
