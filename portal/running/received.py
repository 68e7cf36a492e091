"""The folder of mails that the demo's and the tests' SMTP server received."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class ReceivedMail:
    """One mail: the envelope, the bytes with their CRLF line ends, and the file that holds them."""

    path: Path
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    received_at: datetime


@dataclass(frozen=True)
class Inbox:
    """The folder of received mails: `<time>-<random>.eml`, beside each its envelope as `.json`."""

    folder: Path

    def keep(self, sender: str, recipients: list[str], content: bytes, *, at: datetime) -> Path:
        """Store one mail; it appears under its name only when it is complete."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / f"{at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.eml"
        envelope = {"sender": sender, "recipients": recipients, "received_at": at.isoformat()}
        # The envelope first: a mail is looked for by its .eml, which must not be seen without it.
        for target, data in ((path.with_suffix(".json"), json.dumps(envelope).encode()), (path, content)):
            draft = target.with_name(f".{target.name}.draft")
            draft.write_bytes(data)
            draft.rename(target)
        return path

    def read(self, name: str) -> ReceivedMail:
        """One mail by its file's name. Raises FileNotFoundError, also for a name that is no file's name in this folder."""
        path = self.folder / name
        if Path(name).name != name or not name.endswith(".eml") or name.startswith("."):
            raise FileNotFoundError(name)
        content = path.read_bytes()
        envelope = json.loads(path.with_suffix(".json").read_bytes())
        return ReceivedMail(path, envelope["sender"], tuple(envelope["recipients"]), content, datetime.fromisoformat(envelope["received_at"]))

    def mails(self, to: str | None = None) -> list[ReceivedMail]:
        """All mails, oldest first, or those whose envelope names `to`."""
        found = [self.read(path.name) for path in sorted(self.folder.glob("[!.]*.eml"))]
        return [mail for mail in found if to is None or to.lower() in (name.lower() for name in mail.recipients)]

    def clear(self) -> None:
        for path in self.folder.glob("*"):
            path.unlink()
