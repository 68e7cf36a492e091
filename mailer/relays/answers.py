"""What is asked of a relay's records afterwards: did it take this mail? Asked only for mails whose handing over nobody saw the end of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class Outcome(StrEnum):
    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    NOT_YET = "not_yet"  # in doubt until a session ends; worth asking again soon
    IN_DOUBT = "in_doubt"


class Mail(NamedTuple):
    """A mail by its Message-ID, and the time between whose ends it may have been offered: not before `since`, no session begun after `until`.

    `was_offered` where the relay is known to have accepted its recipient: then its records must show that much, or they are another relay's.
    """

    message_id: str
    since: datetime
    until: datetime
    was_offered: bool = True


class RelayAnswers(Protocol):
    """The records of one relay.

    NOT_TAKEN promises more than that the mail is not there: it will never be taken from a session that is still open.
    """

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        """The outcome by Message-ID. What cannot be read is IN_DOUBT, never an error."""
        ...


class Silent:
    """A relay that cannot be asked: everything stays in doubt, and an operator decides."""

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        return {mail.message_id: Outcome.IN_DOUBT for mail in mails}


class Idempotent:
    """A relay that takes each Message-ID once and answers 250 whenever it comes again: offering again is safe, whatever became of the first time."""

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        return {mail.message_id: Outcome.NOT_TAKEN for mail in mails}
