"""`manage.py erase_recipient ADDRESS --actor WHO`: forget who messages were for."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.custody import MissingKeyError
from mailer.erasing import erase_recipient


class Command(BaseCommand):
    help = "Blank a recipient in all ended messages and cancel those that wait. Needs LETTERLOCK_DATA_KEK."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--actor", required=True, help='who decided it, such as "user:<id>" or a ticket; stands in the event log')

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            erasure = erase_recipient(EmailAddress.parse(options["address"]), actor=options["actor"], at=timezone.now())
        except (MalformedAddressError, MissingKeyError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Erased from {erasure.erased} messages, {erasure.cancelled} of them cancelled.")
        if erasure.in_flight:
            raise CommandError(f"{erasure.in_flight} messages are on their way and still name the recipient. Repeat this when they have ended.")
