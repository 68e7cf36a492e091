"""The records of the relay that the settings name."""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from mailer.relays.answers import Idempotent, RelayAnswers, Silent
from mailer.relays.folder import Folder
from mailer.relays.postfix import Postfix


def relay_answers() -> RelayAnswers:
    """Postfix's log, a folder of mails, or a relay that may be asked twice; Silent where the settings name none."""
    if settings.LETTERLOCK_RELAY_LOG:
        spool = Path(settings.LETTERLOCK_RELAY_SPOOL) if settings.LETTERLOCK_RELAY_SPOOL else None
        # Its idle timeout is shorter than a lease.
        return Postfix(Path(settings.LETTERLOCK_RELAY_LOG), spool, timedelta(seconds=settings.LETTERLOCK_LEASE_SECONDS), now=timezone.now)
    if settings.LETTERLOCK_RELAY_FOLDER:
        return Folder(Path(settings.LETTERLOCK_RELAY_FOLDER))
    return Idempotent() if settings.LETTERLOCK_RELAY_IDEMPOTENT else Silent()
