"""Where a server listens: `host:port`, or the path of a Unix socket."""

from typing import NamedTuple

_MOST_PORT = 65535
_MOST_PATH = 107  # sun_path of unix(7)


class Binding(NamedTuple):
    """Either `path` or `host` and `port`; port 0 is a free one."""

    host: str = ""
    port: int = 0
    path: str = ""


def parse_binding(text: str) -> Binding:
    """Raises ValueError with what it should look like."""
    if text.startswith("/"):
        if len(text.encode()) > _MOST_PATH:
            raise ValueError(f"must be a path of at most {_MOST_PATH} octets")
        return Binding(path=text)
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > _MOST_PORT:
        raise ValueError("must look like 127.0.0.1:2525 or /run/letterlock/lmtp.sock")
    return Binding(host, int(port))
