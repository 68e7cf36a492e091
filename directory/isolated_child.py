"""The other side of `directory.isolation`: a process that loads the code of some tasks and forks for each parse. Only the standard library.

1. Load the modules, with nothing to connect to and no environment.
2. Give up what a parse does not need: core files, a larger address space.
3. For each connection handed over, fork. The fork gives up new files and sockets, arms its limits, runs the task and ends.
4. Kill forks that outlive their time: the kernel's own limits are set by the fork, which a hostile input might have taken over.
"""

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from importlib import import_module
from typing import Any, Never

HEAD = struct.Struct(">I")
MOST_OCTETS = 64 * 1024 * 1024
_MOST_PARTS = 20_000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_KILL_AFTER_SECONDS = 2.0
# Processor time is what a hostile input costs; the clock on the wall also runs while others have the processor.
WALL = 3


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    """`size` octets; raises EOFError if the other side is gone."""
    if size > MOST_OCTETS:
        raise EOFError
    parts, left = [], size
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def send_parts(connection: socket.socket, parts: list[bytes]) -> None:
    """Their number, then each with its length before it."""
    connection.sendall(HEAD.pack(len(parts)))
    for part in parts:
        connection.sendall(HEAD.pack(len(part)))
        connection.sendall(part)


def _receive_parts(connection: socket.socket) -> list[bytes]:
    count = HEAD.unpack(receive_exactly(connection, HEAD.size))[0]
    if count > _MOST_PARTS:
        raise EOFError
    return [receive_exactly(connection, HEAD.unpack(receive_exactly(connection, HEAD.size))[0]) for _ in range(count)]


def _run(connection: socket.socket, tasks: dict[str, Any], seconds: float) -> Never:
    """Step 3, in the fork. It never returns."""
    status, value, blobs = "crash", "", list[bytes]()
    try:
        parts = _receive_parts(connection)
        task, arguments = json.loads(parts[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays open, and nothing else can be opened: no file, no socket
        # The clocks start when the input is there; each ends the process at once, whatever it is in the middle of.
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds * WALL)
        value, blobs = tasks[task](arguments, *parts[1:])
        status = "done"
    except MemoryError:
        status = "memory"
    except BaseException as error:  # noqa: BLE001 - whatever a parser may raise, its name is the answer
        value = type(error).__name__
    signal.setitimer(signal.ITIMER_PROF, 0)
    try:
        send_parts(connection, [json.dumps([status, value]).encode(), *blobs])
    except MemoryError:
        send_parts(connection, [b'["memory", ""]'])
    finally:
        os._exit(0)


def _limit(octets: int) -> None:
    """Step 2."""
    # The end of the control socket ends this process, not the keyboard.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_DUMPABLE, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (octets, octets))


def _serve(control: socket.socket, tasks: dict[str, Any], seconds: float) -> None:
    running: dict[int, float] = {}
    while True:
        ready = select.select([control], [], [], 0.05 if running else None)[0]
        # Step 4.
        for child, until in list(running.items()):
            if os.waitpid(child, os.WNOHANG)[0]:
                del running[child]
            elif time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
        if not ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if not descriptors:
            continue
        # Step 3.
        with socket.socket(fileno=descriptors[0]) as connection:
            child = os.fork()
            if not child:
                control.close()
                _run(connection, tasks, seconds)
            running[child] = time.monotonic() + seconds * WALL + _KILL_AFTER_SECONDS


def main(root: str, descriptor: str, seconds: str, octets: str, *modules: str) -> None:
    # Step 1.
    sys.path.insert(0, root)
    tasks = {f"{module}:{name}": function for module in modules for name, function in import_module(module).TASKS.items()}
    control = socket.socket(fileno=int(descriptor))
    gc.collect()
    gc.freeze()  # so that forks share what is loaded
    _limit(int(octets))
    control.sendall(b"\x01")
    _serve(control, tasks, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
