"""`manage.py read_dsn < mail`: mark the message that a bounce is about; for the mailbox to which bounces come back."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from mailer.dsn import LARGEST, NotADsnError, parse_dsn
from mailer.returned import mark


class Command(BaseCommand):
    help = "Read one delivery status notification (RFC 3464) from standard input. Exits with 0 also for what is none, so that a pipe goes on."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            status = parse_dsn(sys.stdin.buffer.read(LARGEST + 1))
        except NotADsnError as error:
            self.stdout.write(f"Not read: {error}.")
            return
        marked = mark(status)
        self.stdout.write(f"{marked.message.id}: {marked.event}." if marked else "It is about no message of ours.")
