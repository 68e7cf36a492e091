"""`manage.py demo_desk`: `create_operator` for several people at once. They come on standard input, one JSON object a line. In the demo only."""

import json
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from onboarding.management.commands.create_operator import PASSWORD_VARIABLE


class Command(BaseCommand):
    help = 'Make accounts: {"email": "...", "name": "...", "role": ["reviewer"] or null, "password": "..."} a line.'
    requires_system_checks: list[str] = []

    def handle(self, **_options: Any) -> None:
        if not settings.LETTERLOCK_DEMO:
            raise CommandError("This takes passwords from a program; only a demo (LETTERLOCK_DEMO) does.")
        for line in sys.stdin:
            person = json.loads(line)
            os.environ[PASSWORD_VARIABLE] = person["password"]
            call_command("create_operator", person["email"], name=person["name"], role=person["role"], skip_checks=True, stdout=self.stdout)
