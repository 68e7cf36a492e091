"""`manage.py erase_recipient ADDRESS --actor WHO [--directory]`: forget who messages were for, and what the directory holds of the address."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from directory.x509.errors import AddressError
from directory.x509.names import EmailAddress
from mailer.custody import MissingKeyError
from mailer.erasing import erase_recipient
from mailer.mailbox_erasing import erase_address


class Command(BaseCommand):
    help = (
        "Blank a recipient in all ended messages and cancel those that wait; with --directory erase the mailbox as well. Needs LETTERLOCK_DATA_KEK."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--actor", required=True, help='who decided it, such as "user:<id>" or a ticket; stands in the event log')
        parser.add_argument(
            "--directory",
            action="store_true",
            help="also take mailbox and certificates out of the directory, and keep the address from being collected or imported again",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        actor, now = options["actor"], timezone.now()
        try:
            address = EmailAddress.parse(options["address"])
            erasure = erase_recipient(address, actor=actor, at=now)
            in_flight = erasure.in_flight
            self.stdout.write(f"Erased from {erasure.erased} messages, {erasure.cancelled} of them cancelled.")
            if options["directory"]:
                gone = erase_address(address.match, actor=actor, at=now)
                self.stdout.write(f"Erased from the directory with {gone.certificates} certificates, {gone.revoked} of them revoked.")
        except (AddressError, MissingKeyError) as error:
            raise CommandError(str(error)) from error
        if in_flight:
            raise CommandError(f"{in_flight} messages are on their way and still name the recipient. Repeat this when they have ended.")
