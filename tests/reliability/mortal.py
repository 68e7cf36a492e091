"""The Celery application with workers that obey orders to die: `celery -A tests.reliability.mortal worker`.

An order is a file in `MORTAL_ORDERS`, named for a step and numbered. The first worker that comes to the step takes the file away, writes a
line to `deaths.jsonl`, and ends itself by SIGKILL; by SIGSTOP if the name begins with `stop-`. All status changes go through `move`, so
steps are told by what it is asked for.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import django

# Everything that has `move` by name has to be loaded before it is replaced.
django.setup()

from mailer import message_states, relays, tasks  # noqa: E402 - models need the set-up above
from mailer.message_states import Step  # noqa: E402
from mailer.models import MessageStatus  # noqa: E402
from mailer.relays import Mail, Outcome  # noqa: E402
from portal.celery import app  # noqa: E402

__all__ = ["app"]

ORDERS = Path(os.environ["MORTAL_ORDERS"])
S = MessageStatus
# Where a worker dies: the status change it is about to make, or has just made.
BEFORE: Mapping[tuple[S, S], str] = {(S.SEALING, S.SEALED): "sealing", (S.HANDING, S.HANDED): "after_250"}
AFTER: Mapping[tuple[S, S], str] = {(S.SEALING, S.SEALED): "sealed", (S.SEALED, S.HANDING): "before_data"}
_move = message_states.move


class JournalAnswers:
    """What the sink's own journal tells."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def outcomes(self, mails: Sequence[Mail]) -> Mapping[str, Outcome]:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        taken = {json.loads(line)["id"] for line in lines if line.endswith(b"}")}
        return {mail.message_id: Outcome.TAKEN if mail.message_id in taken else Outcome.NOT_TAKEN for mail in mails}


def mortal(steps: Sequence[Step], *, source: MessageStatus, target: MessageStatus, **more: Any) -> Any:
    if steps and (source, target) in BEFORE:
        obey(BEFORE[source, target], (step.message for step in steps))
    moved = _move(steps, source=source, target=target, **more)
    if moved and (source, target) in AFTER:
        obey(AFTER[source, target], moved)
    return moved


def obey(step: str, messages: Iterable[object]) -> None:
    for order in [*ORDERS.glob(f"{step}.*"), *ORDERS.glob(f"stop-{step}.*")]:
        try:
            order.unlink()
        except FileNotFoundError:
            continue  # another worker was first
        line = {"order": order.name, "step": step, "pid": os.getpid(), "messages": [str(message) for message in messages], "at": time.time()}
        with (ORDERS.parent / "deaths.jsonl").open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")
        os.kill(os.getpid(), signal.SIGSTOP if order.name.startswith("stop-") else signal.SIGKILL)
        return


def replace(name: str, old: Callable[..., Any], new: Callable[..., Any]) -> None:
    for module in [module for key, module in sys.modules.items() if key.startswith("mailer.")]:
        if getattr(module, name, None) is old:
            setattr(module, name, new)


replace("move", _move, mortal)
if os.environ.get("MORTAL_JOURNAL"):
    _answers = JournalAnswers(Path(os.environ["MORTAL_JOURNAL"]))
    replace("relay_answers", relays.relay_answers, lambda: _answers)
tasks.drain.app.set_default()
