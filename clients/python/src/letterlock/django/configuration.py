"""The setting `LETTERLOCK`, a dictionary, read once into what the back ends go by."""

import os
import threading
from dataclasses import dataclass, field, fields
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from letterlock.client import SECONDS, Client
from letterlock.errors import ConfigurationError
from letterlock.keys import OwnKey, load_certificates, load_key


@dataclass(frozen=True, slots=True)
class Configuration:
    """`LETTERLOCK` has these keys, in capitals. `URL` alone is needed by both back ends.

    `URL`, `TOKEN`, `CA` (authorities for the portal's TLS), `TIMEOUT` (seconds) and `PATIENCE` (seconds to wait when over quota) are those of
    `Client`. For sealing: `KEY`, `CERTIFICATE` and `CHAIN` are files and `PASSPHRASE` opens the key (without `CERTIFICATE`, `KEY` is PKCS#12);
    `NEUTRAL_SUBJECT` stands outside in place of the subject; `RECIPIENT_ROOTS` is a PEM file of roots that recipients' certificates must
    lead to. For the API: `ON_MISSING` is hold, fail or notice.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca: str | Path | None = None
    timeout: float = SECONDS
    patience: float = 0.0
    key: str | Path | None = None
    certificate: str | Path | None = None
    chain: str | Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    neutral_subject: str | None = None
    recipient_roots: str | Path | None = None
    on_missing: str = "hold"

    @classmethod
    def read(cls) -> "Configuration":
        """Raises ImproperlyConfigured, also for a key that is not known: it may be a misspelt one."""
        given = getattr(settings, "LETTERLOCK", None)
        known = {one.name.upper(): one.name for one in fields(cls)}
        if not isinstance(given, dict) or not given.get("URL"):
            raise ImproperlyConfigured("LETTERLOCK is a dictionary with the portal's URL")
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ImproperlyConfigured(f"LETTERLOCK has no {', '.join(unknown)}")
        return cls(**{known[name]: value for name, value in given.items()})

    def client(self) -> Client:
        """One for the process, so that its answers are kept from mail to mail. Raises ImproperlyConfigured."""
        place = (os.getpid(), self.url, self.token, self.ca, self.timeout, self.patience)
        with _lock:
            if place not in _clients:
                # A fork has no use for its parent's connections.
                for other in [known for known in _clients if known[0] != place[0]]:
                    del _clients[other]
                try:
                    _clients[place] = Client(self.url, token=self.token, ca=self.ca, timeout=self.timeout, patience=self.patience)
                except ConfigurationError as error:
                    raise ImproperlyConfigured(f"LETTERLOCK: {error}") from error
            return _clients[place]

    def own_key(self) -> OwnKey:
        """Read anew each time: a certificate is renewed by writing its file. Raises ImproperlyConfigured, KeyFileError."""
        if self.key is None:
            raise ImproperlyConfigured("LETTERLOCK has no KEY, which sealing needs")
        return load_key(self.key, self.certificate, self.chain, passphrase=self.passphrase)

    def roots(self) -> list[bytes]:
        """Raises KeyFileError."""
        return [] if self.recipient_roots is None else load_certificates(self.recipient_roots)


def close_clients() -> None:
    """Close the process's connections to portals; the next mail opens its own."""
    with _lock:
        for client in _clients.values():
            client.close()
        _clients.clear()


_clients: dict[tuple[object, ...], Client] = {}
_lock = threading.Lock()
