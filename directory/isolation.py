"""Parse what strangers send in a process that may die of it, with limits of time and memory, no files, no network and no secrets.

A `Cell` starts one helper process (`directory/isolated_child.py`) that has loaded its tasks' code and then only forks: each parse runs in a
fork of its own that ends with it, so nothing of one upload is there when the next is parsed. What comes back is JSON and octets, which cannot
name code to run. No task is given a private key: keys are used on what the parse found, by the caller.

Limits of each parse: 256 MB of address space, one second of processor time, three of the clock, and a little for the way there and back.
"""

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import isolated_child
from .isolated_child import HEAD, MOST_OCTETS, WALL, receive_exactly, send_parts

PARSE_SECONDS = 1.0
PARSE_OCTETS = 256 * 1024 * 1024
# The helper may have to be started, and the machine may be busy with other things than the parse.
_GRACE_SECONDS = 4.0
_START_SECONDS = 60.0
# Where the package at the top of this one's name lies: the client ships this code under a name of its own.
_ROOT = Path(sys.modules[__name__.partition(".")[0]].__path__[0]).absolute().parent


class IsolationError(Exception):
    """The parse gave no result. The text is plain English and has nothing of what was parsed in it."""

    code = "isolation"


class ParseTimeout(IsolationError):
    """It took longer than it may."""

    code = "parse_timeout"


class ParseTooBig(IsolationError):
    """It needed more memory than it may, or the input or the result is larger than what is taken."""

    code = "parse_too_big"


class ParseCrashed(IsolationError):
    """The process died, or raised what has no name."""

    code = "parse_crashed"


class Cell:
    """A helper process with the code of `modules`, started at the first use and again after a fork of its owner. For use by many threads."""

    def __init__(self, *modules: str, seconds: float = PARSE_SECONDS, octets: int = PARSE_OCTETS) -> None:
        self._modules, self._seconds, self._octets = modules, seconds, octets
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        os.register_at_fork(after_in_child=self._forget)

    def run(self, task: str, arguments: Any, *blobs: bytes) -> tuple[Any, list[bytes]]:
        """What `task`, a `module:function` of the modules, returns for JSON `arguments` and octets. Raises an IsolationError."""
        if sum(map(len, blobs)) > MOST_OCTETS:
            raise ParseTooBig(f"More than {MOST_OCTETS} octets are not parsed.")
        try:
            return self._attempt(task, arguments, blobs)
        except ParseCrashed:
            if self._is_alive():
                raise
        # Not the parse died but the helper, killed from outside: once is an accident.
        return self._attempt(task, arguments, blobs)

    @property
    def helper_id(self) -> int | None:
        """The helper's process id, None before the first use."""
        return None if self._helper is None else self._helper.pid

    def close(self) -> None:
        """End the helper. It also ends by itself with its owner."""
        with self._lock:
            self._drop()

    def _attempt(self, task: str, arguments: Any, blobs: Sequence[bytes]) -> tuple[Any, list[bytes]]:
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with self._lock:
                    socket.send_fds(self._started(), [b"\x00"], [theirs.fileno()])
            except OSError as error:
                raise ParseCrashed("The helper process cannot be reached.") from error
            finally:
                theirs.close()
            return self._converse(ours, task, arguments, blobs)

    def _is_alive(self) -> bool:
        with self._lock:
            if self._helper is None or self._control is None:
                return False
            # A helper that is gone has closed its end, even before it can be waited for.
            gone = select.select([self._control], [], [], 0)[0] or self._helper.poll() is not None
            if gone:
                self._drop()
            return not gone

    def _converse(self, connection: socket.socket, task: str, arguments: Any, blobs: Sequence[bytes]) -> tuple[Any, list[bytes]]:
        started = time.monotonic()
        deadline = started + self._seconds * WALL + _GRACE_SECONDS
        try:
            connection.settimeout(self._seconds * WALL + _GRACE_SECONDS)
            send_parts(connection, [json.dumps([task, arguments]).encode(), *blobs])
            connection.settimeout(max(0.1, deadline - time.monotonic()))
            count = HEAD.unpack(receive_exactly(connection, HEAD.size))[0]
            parts = [receive_exactly(connection, HEAD.unpack(receive_exactly(connection, HEAD.size))[0]) for _ in range(count)]
            status, value = json.loads(parts[0])
        except TimeoutError as error:
            raise ParseTimeout("The parse took too long.") from error
        except (EOFError, OSError) as error:
            # The kernel ends a child that is over its time without a word, and so does a crash.
            late = time.monotonic() - started > self._seconds
            raise (ParseTimeout("The parse took too long.") if late else ParseCrashed("The parse ended without a result.")) from error
        except (ValueError, TypeError, IndexError) as error:
            raise ParseCrashed("The parse gave a result that cannot be read.") from error
        if status == "memory":
            raise ParseTooBig("The parse needed too much memory.")
        if status != "done":
            raise ParseCrashed(f"The parse ended in {str(value)[:100]}.")
        return value, parts[1:]

    def _started(self) -> socket.socket:
        if self._control is not None and self._helper is not None and self._helper.poll() is None:
            return self._control
        self._drop()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-I", isolated_child.__file__, str(_ROOT), str(theirs.fileno())]
        try:
            # Nothing of the environment goes along: it holds the passwords of the database and the keys' keys.
            self._helper = subprocess.Popen(
                [*command, str(self._seconds), str(self._octets), *self._modules],
                pass_fds=[theirs.fileno()],
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        finally:
            theirs.close()
        ours.settimeout(_START_SECONDS)
        try:
            if ours.recv(1) != b"\x01":
                raise ParseCrashed("The helper process does not start.")
        except OSError as error:
            ours.close()
            raise ParseCrashed("The helper process does not start.") from error
        ours.settimeout(self._seconds + _GRACE_SECONDS)
        self._control = ours
        return ours

    def _drop(self) -> None:
        control, helper = self._control, self._helper
        self._control = self._helper = None
        if control is not None:
            control.close()
        if helper is not None:
            with suppress(OSError):
                helper.kill()
            helper.wait()

    def _forget(self) -> None:
        """In a fork of the owner: the helper is not ours, and the lock may have been held by a thread that is not here."""
        self._lock = threading.Lock()
        if self._control is not None:
            self._control.close()
        if self._helper is not None:
            self._helper.returncode = 0  # it is not our child: there is nothing to wait for
        self._control = self._helper = None
