"""What our relay can tell afterwards: did it take this Message-ID? Asked only for mails whose handing over nobody saw the end of."""

from collections.abc import Mapping, Sequence
from email import policy
from email.parser import BytesHeaderParser
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from django.conf import settings


class Outcome(StrEnum):
    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    IN_DOUBT = "in_doubt"


class RelayAnswers(Protocol):
    """The records of one relay. NOT_TAKEN promises that it never will be taken from a session that is still open."""

    def outcomes(self, message_ids: Sequence[str]) -> Mapping[str, Outcome]: ...


class Silent:
    """A relay that cannot be asked: everything stays in doubt, and an operator decides."""

    def outcomes(self, message_ids: Sequence[str]) -> Mapping[str, Outcome]:
        return dict.fromkeys(message_ids, Outcome.IN_DOUBT)


class Folder:
    """A relay that keeps every mail as a file `*.eml` before it answers 250, and ends idle sessions sooner than a lease ends.

    So a mail whose lease is over either has its file or will never have one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def outcomes(self, message_ids: Sequence[str]) -> Mapping[str, Outcome]:
        if not self._folder.is_dir():
            return dict.fromkeys(message_ids, Outcome.IN_DOUBT)
        wanted, parser = set(message_ids), BytesHeaderParser(policy=policy.compat32)
        taken: set[str] = set()
        for path in self._folder.glob("[!.]*.eml"):
            with path.open("rb") as mail:
                found = str(parser.parse(mail)["Message-ID"] or "").strip()
            if found in wanted:
                taken.add(found)
        return {message_id: Outcome.TAKEN if message_id in taken else Outcome.NOT_TAKEN for message_id in message_ids}


def relay_answers() -> RelayAnswers:
    """The records of the configured relay."""
    return Folder(Path(settings.LETTERLOCK_RELAY_FOLDER)) if settings.LETTERLOCK_RELAY_FOLDER else Silent()
