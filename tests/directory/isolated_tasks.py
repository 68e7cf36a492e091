"""Tasks that behave as badly as a parser under attack can, for the tests of isolation."""

import ctypes
import os
import socket
import time
from typing import Any

Answer = tuple[Any, list[bytes]]


def echo(arguments: Any, *blobs: bytes) -> Answer:
    return arguments, list(blobs)


def spin(arguments: Any) -> Answer:
    del arguments
    while True:
        pass


def sleep(arguments: Any) -> Answer:
    del arguments
    time.sleep(60)
    return None, []


def eat(arguments: Any) -> Answer:
    del arguments
    return len(bytearray(400 * 1024 * 1024)), []


def crash(arguments: Any) -> Answer:
    del arguments
    return ctypes.string_at(0), []


def fail(arguments: Any) -> Answer:
    raise LookupError(arguments)


def open_file(arguments: Any) -> Answer:
    with open("/etc/passwd", "rb") as file:  # noqa: PTH123 - the bare call is what is tried
        return arguments, [file.read()]


def open_socket(arguments: Any) -> Answer:
    with socket.socket():
        return arguments, []


def environment(arguments: Any) -> Answer:
    del arguments
    return dict(os.environ), []


kept: list[int] = []


def remember(arguments: Any) -> Answer:
    kept.append(arguments)
    return kept, []


TASKS = {function.__name__: function for function in (echo, spin, sleep, eat, crash, fail, open_file, open_socket, environment, remember)}
