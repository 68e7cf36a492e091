"""`manage.py intake`: the SMTP and LMTP server of the house's own mailboxes."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mailer.intake.binding import parse_binding
from mailer.intake.server import Mailroom, serve
from mailer.intake.taking import take


class Command(BaseCommand):
    help = "Take mail to collect@, proof+<id>@ and bounces@ of LETTERLOCK_INTAKE_DOMAIN, by SMTP and LMTP. It stands behind your mail server."

    def handle(self, *_args: Any, **_options: Any) -> None:
        named = [(settings.LETTERLOCK_INTAKE_SMTP, False), (settings.LETTERLOCK_INTAKE_LMTP, True)]
        bindings = [(parse_binding(text), lmtp) for text, lmtp in named if text]
        if not settings.LETTERLOCK_INTAKE_DOMAIN or not bindings:
            raise CommandError("Set LETTERLOCK_INTAKE_DOMAIN, and LETTERLOCK_INTAKE_SMTP or LETTERLOCK_INTAKE_LMTP.")
        room = Mailroom(settings.LETTERLOCK_INTAKE_DOMAIN, take)

        async def run() -> None:
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            await serve(room, bindings, stop)

        try:
            asyncio.run(run())
        except OSError as error:
            raise CommandError(f"Cannot listen: {error.strerror}.") from error
