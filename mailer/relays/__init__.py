"""Our relay's records, behind one Protocol: what became of a mail after nobody heard the answer, or after the answer."""

from mailer.relays.answers import Idempotent, Mail, Outcome, RelayAnswers, Silent
from mailer.relays.configured import relay_answers
from mailer.relays.folder import Folder
from mailer.relays.postfix import Postfix

__all__ = ["Folder", "Idempotent", "Mail", "Outcome", "Postfix", "RelayAnswers", "Silent", "relay_answers"]
