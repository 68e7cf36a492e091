"""A relay whose record is a folder of mails."""

from collections.abc import Mapping, Sequence
from email import policy
from email.parser import BytesHeaderParser
from pathlib import Path

from mailer.relays.answers import Mail, Outcome


class Folder:
    """A relay that keeps every mail as a file `*.eml` before it answers 250, and ends idle sessions sooner than a lease ends.

    So a mail whose lease is over either has its file or will never have one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        try:
            taken = self._message_ids() if self._folder.is_dir() else None
        except OSError:
            taken = None
        if taken is None:
            return {mail.message_id: Outcome.IN_DOUBT for mail in mails}
        return {mail.message_id: Outcome.TAKEN if mail.message_id in taken else Outcome.NOT_TAKEN for mail in mails}

    def _message_ids(self) -> set[str]:
        parser, found = BytesHeaderParser(policy=policy.compat32), set()
        for path in self._folder.glob("[!.]*.eml"):
            with path.open("rb") as mail:
                found.add(str(parser.parse(mail)["Message-ID"] or "").strip())
        return found
