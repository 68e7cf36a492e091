"""What the DNS has to say so that this installation's signatures count."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mailer.domain_keys import read_folder


class Command(BaseCommand):
    help = "Print the TXT record of each DKIM key in LETTERLOCK_DKIM_KEYS."

    def handle(self, *_args: Any, **_options: Any) -> None:
        if not settings.LETTERLOCK_DKIM_KEYS:
            raise CommandError("LETTERLOCK_DKIM_KEYS is not set")
        for signer in read_folder(Path(settings.LETTERLOCK_DKIM_KEYS)).values():
            name, text = signer.record
            self.stdout.write(f'{name}. TXT "{text}"')
