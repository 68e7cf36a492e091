"""What the kills did: nothing lost, nothing doubled, nothing accepted that the log does not tell of, and what is unknown has its alarm."""

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from mailer.message_states import TRANSITIONS
from mailer.models import MessageStatus
from tests.reliability.client import Client
from tests.reliability.ground import ROOT, Ground, HouseError
from tests.reliability.kills import Butcher

S = MessageStatus
# Events that are named otherwise than the status they lead to; "" leads nowhere.
LEADS_TO: Mapping[str, S | None] = {
    "accepted": S.QUEUED,
    "retried": S.SEALED,
    "not_handed": S.SEALED,
    "reconciled_not_taken": S.SEALED,
    "reconciled_handed": S.HANDED,
    "deferred": S.QUEUED,
    "gave_up": S.FAILED,
    "in_doubt": None,
    "handed_late": None,
    "delayed": None,
    **{status.value: status for status in S},
}
# Each such kill has to be seen at least this often.
LEAST = {"in sealing": 3, "before DATA": 3, "between 250 and commit": 3}


@dataclass(frozen=True)
class Report:
    """The outcome of one run, written to `var` and printed."""

    relay: str
    seed: int
    accepted: int
    taken: int
    lost: int
    doubled: int
    unasked: int
    told_otherwise: int
    changed_answers: int
    unlogged: list[str]
    unknown: int
    unknown_without_alarm: int
    handed_late: int
    kills: Mapping[str, int]
    deaths_by_state: Mapping[str, int]
    rows_by_state: Mapping[str, int]
    rows_around_other_kills: Mapping[str, int]
    answers: Mapping[int, int]
    events: Mapping[str, int]
    seconds: float

    def check(self) -> None:
        text = str(self)
        assert (self.lost, self.doubled, self.unasked, self.changed_answers) == (0, 0, 0, 0), text
        assert self.told_otherwise == 0, text
        assert self.unlogged == [], text
        assert self.unknown <= self.accepted / 1000, text
        assert self.unknown_without_alarm == 0, text
        short = {state: self.deaths_by_state.get(state, 0) for state, least in LEAST.items() if self.deaths_by_state.get(state, 0) < least}
        assert short == {}, text

    def __str__(self) -> str:
        return json.dumps(asdict(self), indent=1)

    def keep(self, name: str) -> None:
        """As `var/<name>.json`."""
        folder = ROOT / "var"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(f"{self}\n")


def settle(ground: Ground, *clients: Client, seconds: float) -> None:
    """Until every message that was given is accepted and at its end. Raises HouseError."""
    deadline = time.monotonic() + seconds
    counts: dict[object, object] = {}
    while time.monotonic() < deadline:
        try:
            counts = dict(ground.rows("SELECT status, count(*) FROM mailer_message GROUP BY status"))  # type: ignore[arg-type]
        except psycopg.OperationalError:
            counts = {}
        ended = sum(int(str(count)) for status, count in counts.items() if status in {"handed", "failed", "unknown", "delivered", "bounced"})
        accepted, given = sum(len(client.accepted) for client in clients), sum(client.given for client in clients)
        if accepted == given == ended:
            return
        time.sleep(0.2)
    answers = sum((client.answers for client in clients), Counter())
    raise HouseError(f"accepted {accepted} of {given}, and after {seconds} s: {counts}; {answers}; logs in {ground.folder}")


def report(ground: Ground, client: Client, butcher: Butcher, *, seed: int, copies: Counter[str], began: float) -> Report:
    """`copies` counts by Message-ID what the sink took; what a relay in front of it tells is compared with that."""
    told = Counter(ground.taken())
    statuses = {str(message): str(status) for message, status in ground.rows("SELECT id, status FROM mailer_message")}
    histories: dict[str, list[str]] = {}
    for message, event in ground.rows("SELECT message_id, event FROM mailer_sendevent ORDER BY id"):
        histories.setdefault(str(message), []).append(str(event))
    unknown = {message for message, status in statuses.items() if status == "unknown"}
    alarms = set(re.findall(r"ALARM: whether the relay took message (\S+) is unknown", _logs(ground)))
    wanted = {client.accepted[message] for message in client.accepted if message not in unknown}
    return Report(
        relay=ground.relay,
        seed=seed,
        accepted=len(client.accepted),
        taken=copies.total(),
        lost=len(wanted - set(copies)),
        doubled=sum(count - 1 for count in copies.values()),
        unasked=len(set(copies) - set(client.accepted.values())),
        told_otherwise=(copies - told).total() + (told - copies).total(),
        changed_answers=len(client.changed),
        unlogged=[f"{message}: {fault}" for message in client.accepted if (fault := _fault(histories.get(message, []), statuses.get(message)))],
        unknown=len(unknown),
        unknown_without_alarm=len(unknown - alarms),
        handed_late=sum(history.count("handed_late") for history in histories.values()),
        kills=dict(butcher.kills),
        deaths_by_state=dict(butcher.deaths),
        rows_by_state=dict(butcher.hits),
        rows_around_other_kills=dict(butcher.around),
        answers=dict(client.answers),
        events=dict(Counter(event for history in histories.values() for event in history)),
        seconds=round(time.monotonic() - began, 1),
    )


def _fault(history: list[str], status: str | None) -> str:
    """What the log of one accepted message says that cannot be, or leaves out."""
    if history[:1] != ["accepted"] or history.count("accepted") != 1:
        return f"begins with {history[:2]}"
    at = S.QUEUED
    for event in history[1:]:
        if event not in LEADS_TO:
            return f"unheard-of event {event}"
        target = LEADS_TO[event]
        if target is None:
            continue
        if target not in TRANSITIONS[at]:
            return f"{at} -> {event} in {history}"
        at = target
    return "" if at.value == status else f"ends with {at}, but is {status}: {history}"


def _logs(ground: Ground) -> str:
    return "\n".join(path.read_text(errors="replace") for path in sorted(Path(ground.folder / "log").glob("worker*.log")))
