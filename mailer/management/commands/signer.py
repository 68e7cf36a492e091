"""`manage.py signer`: the process that alone opens CA keys and signs with them."""

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mailer.ca import lint
from mailer.ca.server import AnotherSignerError, Signer, keep_memory_private, listening
from mailer.ca.throttle import Throttle
from mailer.custody import MissingKeyError, require_key


class Command(BaseCommand):
    help = "Sign certificates and CRLs that the ledger asks for. Needs LETTERLOCK_CA_KEK, and no other process may have it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--per-minute", type=int, default=1200, help="signatures a minute at most (default 1200)")
        parser.add_argument("--burst", type=int, default=200, help="signatures at once at most (default 200)")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            kek = require_key("LETTERLOCK_CA_KEK")
        except MissingKeyError as error:
            raise CommandError(str(error)) from error
        if options["per_minute"] < 1 or options["burst"] < 1:
            raise CommandError("--per-minute and --burst must be at least 1")
        keep_memory_private()
        lint.warm_up()
        path = settings.LETTERLOCK_SIGNER_SOCKET
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        signal.signal(signal.SIGTERM, _end)
        try:
            with listening(path, Signer(kek, Throttle(per_minute=options["per_minute"], burst=options["burst"]))) as server:
                self.stdout.write(f"The signer listens on {path}")
                server.serve_forever()
        except AnotherSignerError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            return


def _end(_number: int, _frame: FrameType | None) -> None:
    """What is being signed is lost with this process and signed again by the next: nothing left it that is not stored."""
    raise SystemExit(0)
