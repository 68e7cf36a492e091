"""Typed reading of the environment. Every bad value is collected, then all are named at once."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

KEY_BYTES = 32


class BadEnvironmentError(Exception):
    """One or more settings cannot be used; the text names each of them and what it should be."""


class Environment:
    """Reads settings out of `source`; `check()` raises once with all that was wrong."""

    def __init__(self, source: Mapping[str, str] | None = None) -> None:
        self._source = os.environ if source is None else source
        self._faults: list[str] = []

    def fault(self, name: str, wanted: str) -> None:
        """Note that a value cannot be used, for `check` to tell."""
        self._faults.append(f"{name}: {wanted}")

    def text(self, name: str, default: str | None = None) -> str:
        """A value, or the content of the file that `<name>_FILE` names. Without a default it is required."""
        value = self._source.get(name, "").strip()
        path = self._source.get(f"{name}_FILE", "").strip()
        if value and path:
            self.fault(name, f"set {name} or {name}_FILE, not both")
            return ""
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.fault(f"{name}_FILE", "names a file that cannot be read as text")
                return ""
        if value:
            return value
        if default is None:
            self.fault(name, "is required")
            return ""
        return default

    def boolean(self, name: str, *, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        self.fault(name, "must be true or false")
        return default

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            self.fault(name, f"must be a whole number from {least} to {most}")
            return default
        return number

    def choice(self, name: str, default: str, *, among: frozenset[str]) -> str:
        value = self.text(name, default).lower()
        if value not in among:
            self.fault(name, f"must be one of: {', '.join(sorted(among))}")
            return default
        return value

    def names(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def key(self, name: str) -> bytes | None:
        """A 256-bit key in base64, or None where this process is not given it."""
        value = self.text(name, "")
        if not value:
            return None
        try:
            key = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            self.fault(name, f"must be {KEY_BYTES} bytes in base64")
            return None
        return key

    def address(self, name: str, default: str, *, schemes: frozenset[str]) -> str:
        """A URL whose scheme is one of `schemes`, without a trailing slash."""
        value = self.text(name, default).rstrip("/")
        if urlsplit(value).scheme not in schemes or not urlsplit(value).netloc:
            self.fault(name, f"must be an address that begins with one of: {', '.join(sorted(schemes))}")
        return value

    def database(self, name: str) -> dict[str, object]:
        """PostgreSQL settings out of postgres://user:password@host:port/name; a socket folder goes into ?host=."""
        value = self.text(name)
        if not value:
            return {}
        parts = urlsplit(value)
        if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
            self.fault(name, "must look like postgres://user:password@host:port/name")
            return {}
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(query.pop("host", parts.hostname or "")),
            "PORT": str(query.pop("port", parts.port or "")),
            "OPTIONS": {key: unquote(item) for key, item in query.items()},
        }

    def check(self) -> None:
        """Raise BadEnvironmentError that names every bad value, if there is one."""
        if self._faults:
            lines = "\n".join(f"  {fault}" for fault in self._faults)
            raise BadEnvironmentError(f"These settings must be put right:\n{lines}")
