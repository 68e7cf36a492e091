"""`manage.py ca`: the key ceremony."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mailer.ca import ceremony
from mailer.ca.errors import AuthorityError
from mailer.custody import MissingKeyError, require_key

ACTOR = "system:ceremony"


class Command(BaseCommand):
    help = "Make the root and the S/MIME CA. Needs LETTERLOCK_CA_KEK, the key of the signer process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        hold = commands.add_parser("ceremony", help="make both CAs, unless they exist")
        hold.add_argument("--demo", action="store_true", help='a CA whose names begin with "DEMO - DO NOT TRUST"')
        hold.add_argument("--organization", default="", help="the operator's legal name (required without --demo)")
        hold.add_argument("--country", default="", help="the operator's country, two letters (required without --demo)")
        hold.add_argument("--key", choices=[kind.value for kind in ceremony.KeyKind], default=ceremony.KeyKind.P384.value)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            kek = require_key("LETTERLOCK_CA_KEK")
            made = ceremony.hold(_names(options), kind=ceremony.KeyKind(options["key"]), kek=kek, actor=ACTOR, at=timezone.now())
        except (AuthorityError, MissingKeyError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Made the CAs." if made else "The CAs exist; nothing was changed.")


def _names(options: dict[str, Any]) -> ceremony.Names:
    if options["demo"]:
        return ceremony.Names(options["country"] or "DE", options["organization"] or "Letterlock Demo", ceremony.DEMO_MARK)
    if not options["organization"] or not options["country"]:
        raise CommandError("--organization and --country are required: they stand in the CA's certificates")
    if settings.LETTERLOCK_DEMO:
        raise CommandError("with LETTERLOCK_DEMO only a --demo ceremony is held")
    return ceremony.Names(options["country"], options["organization"])
