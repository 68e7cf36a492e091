"""`manage.py hold_after_restore --actor WHO`: after a backup was restored and before anything else is started."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mailer import restoring
from mailer.relays import relay_answers


class Command(BaseCommand):
    help = (
        "Pause sending, ask the relay for every message that is not at its end, and write down what it took since the backup. Ends the pause "
        "once nothing is in doubt; repeat it until then. With --send-in-doubt what the relay cannot tell is sent, perhaps again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--actor", required=True, help='who restored it, such as "user:<id>" or a ticket; stands in the send log')
        parser.add_argument("--send-in-doubt", action="store_true", help="you have made sure elsewhere that these were not sent")

    def handle(self, *_args: Any, **options: Any) -> None:
        actor = options["actor"]
        restoring.hold(actor=actor, at=timezone.now())
        found = restoring.take_stock(relay_answers(), actor=actor, at=timezone.now())
        self.stdout.write(
            f"The relay had taken {found.taken} and not taken {found.not_taken}; of {len(found.in_doubt)} it does not tell. "
            f"{found.handing} are left to the reconciler."
        )
        if found.in_doubt and not options["send_in_doubt"]:
            first = ", ".join(map(str, found.in_doubt[:10]))
            raise CommandError(f"Everything stays paused. In doubt, first of all: {first}.")
        restoring.go_on(actor=actor, at=timezone.now())
        self.stdout.write("The pause has ended.")
