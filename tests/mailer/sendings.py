"""A worker that ends itself by SIGKILL at a named step: `python -m tests.mailer.sendings <step> <database>`; for the tests of being killed."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import django
from django.conf import settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        function(*arguments, **named)
        die()

    return call


PATCHES: dict[str, tuple[str, bool]] = {
    # What is replaced, and whether it is done before the end comes.
    "claimed": ("mailer.sending:seal_all", False),
    "sealed": ("mailer.sending:seal_all", True),
    "before_data": ("mailer.smtp.lane:Lane.begin", False),
    "after_250": ("mailer.sending:_Book._taken", False),
}


def main(step: str, database: str) -> None:
    django.setup()
    settings.DATABASES["default"]["NAME"] = database
    if step in PATCHES:
        name, is_done = PATCHES[step]
        patch(name.replace(":", "."), then_die(resolve_name(name) if is_done else _nothing)).start()
    resolve_name("mailer.sending:drain")(at=datetime.now(UTC))


def _nothing(*_arguments: Any, **_named: Any) -> None:
    pass


if __name__ == "__main__":
    main(*sys.argv[1:])
