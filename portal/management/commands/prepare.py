"""`manage.py prepare`: bring the tables up to date and hold the demo's key ceremony, if it was not held. For the embedded mode alone."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Migrate, and make the demo CAs unless they exist. Needs LETTERLOCK_CA_KEK."
    requires_system_checks: list[str] = []

    def handle(self, **_options: Any) -> None:
        if not settings.LETTERLOCK_DEMO:
            raise CommandError("Only a demo makes its own CAs: run `migrate` and `ca ceremony` yourself.")
        # One process for both, since loading the code takes longer than either.
        call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        call_command("ca", "ceremony", demo=True, skip_checks=True, stdout=self.stdout)
