"""`manage.py catalogues`: bring locale/ to what code and templates say; tells what still waits for a translation."""

from typing import Any

from django.core.management.base import BaseCommand

from portal.catalogues import CATALOGUE, ROOT, translated, update


class Command(BaseCommand):
    help = "Update the message catalogue from code and templates."
    requires_system_checks: list[str] = []

    def handle(self, **_options: Any) -> None:
        waiting = [message.id for message in update() if message.id and not translated(message)]
        self.stdout.write(f"{CATALOGUE.relative_to(ROOT)}: {len(waiting)} messages without a translation")
