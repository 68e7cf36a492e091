"""A worker that ends itself by SIGKILL at a named step: `python -m tests.mailer.sendings <step> <database>`; for the tests of being killed."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django
from django.conf import settings

STEPS = ("claimed", "sealed", "before_data", "after_250")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        function(*arguments, **named)
        die()

    return call


def main(step: str, database: str) -> None:
    django.setup()
    settings.DATABASES["default"]["NAME"] = database
    from mailer import sending  # noqa: PLC0415 - after the set-up
    from mailer.transport import Session  # noqa: PLC0415 - after the set-up

    if step == "claimed":
        sending.seal_all = lambda *_arguments, **_named: die()  # type: ignore[assignment]
    elif step == "sealed":
        sending.seal_all = then_die(sending.seal_all)
    elif step == "before_data":
        Session.hand_over = lambda *_arguments: die()  # type: ignore[assignment,method-assign]
    elif step == "after_250":
        Session.hand_over = then_die(Session.hand_over)  # type: ignore[method-assign]
    sending.drain(at=datetime.now(UTC))


if __name__ == "__main__":
    main(*sys.argv[1:])
