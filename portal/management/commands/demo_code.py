"""`manage.py demo_code <login>`: the one-time code that an account's authenticator shows now. In the demo only."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice


class Command(BaseCommand):
    help = "Print the current one-time code of an account of the demo."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the account's e-mail address")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.LETTERLOCK_DEMO:
            raise CommandError("Codes come from the authenticator; only a demo (LETTERLOCK_DEMO) prints them.")
        device = TOTPDevice.objects.filter(user__email=options["login"].strip().lower()).order_by("-confirmed", "-id").first()
        if device is None:
            raise CommandError(f"No account {options['login']} has an authenticator.")
        totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
        # A code counts once: after it was used the next one is due, which is taken half a minute early.
        totp.time = max(time.time(), (device.last_t + 1) * device.step + device.t0)
        self.stdout.write(f"{totp.token():0{device.digits}}")
