"""The little of the Marionette protocol that drives Thunderbird: commands and answers in JSON, each behind its length, over TCP."""

import json
import socket
import time
from typing import Any


class ScriptFailed(Exception):
    """What the program said of a command."""


class Marionette:
    def __init__(self, port: int, *, seconds: float = 120) -> None:
        """Connect as soon as the program listens. Raises ScriptFailed if it does not in time."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=180)
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise ScriptFailed("nothing listens") from error
                time.sleep(0.1)
        self._stream = self._socket.makefile("rb")
        self._number = 0
        self._read()
        self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}})
        self.command("Marionette:SetContext", {"value": "chrome"})
        self.command("WebDriver:SetTimeouts", {"script": 120_000})

    def run(self, script: str, *arguments: object) -> Any:
        """Run an asynchronous script, whose last argument is the function that takes its answer. Raises ScriptFailed."""
        given = {"script": script, "args": list(arguments), "newSandbox": True, "sandbox": "default", "filename": "driver.js", "line": 1}
        return self.command("WebDriver:ExecuteAsyncScript", given)["value"]

    def command(self, name: str, parameters: dict[str, object]) -> Any:
        self._number += 1
        octets = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(octets), octets))
        while True:
            answer = self._read()
            if isinstance(answer, list) and answer[:2] == [1, self._number]:
                break
        if answer[2]:
            raise ScriptFailed(f"{name}: {answer[2]}")
        return answer[3]

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            octet = self._stream.read(1)
            if not octet:
                raise ScriptFailed("the program has closed the connection")
            size += octet
        return json.loads(self._stream.read(int(size[:-1])))

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
