"""`manage.py alarms`: what an operator has to look at, as JSON; exits with 1 if there is anything."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from mailer.alarms import standing_alarms


class Command(BaseCommand):
    help = "Count what an operator has to look at. For a monitoring program: exits with 1 if there is anything."

    def handle(self, *_args: Any, **_options: Any) -> None:
        at = timezone.now()
        found = standing_alarms(at=at)
        self.stdout.write(json.dumps(asdict(found), cls=DjangoJSONEncoder))
        if found.are_raised(at=at):
            raise SystemExit(1)
