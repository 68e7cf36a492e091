"""Kills, one after another while messages are on their way, and what each of them hit."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from tests.reliability.client import Client
from tests.reliability.ground import LEASE, Child, Ground

# An order that nobody comes to carry out in this time is taken back.
ORDER_SECONDS = 30


@dataclass
class Butcher:
    """Carries out kills. `hits` counts the rows that a worker's death left behind, by the state they were in; `kills` what was killed.

    `around` counts what was on its way at all when something was killed at no chosen step.
    """

    ground: Ground
    client: Client
    chance: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    around: Counter[str] = field(default_factory=Counter)
    stopped: dict[int, float] = field(default_factory=dict)
    _seen: int = 0
    _orders: int = 0

    def run(self, acts: list[str], messages: int) -> None:
        """All of `acts`, with `messages` spread over them: `<what>`, `die at <step>` or `stop at <step>`."""
        share, left = messages // len(acts), messages
        for number, act in enumerate(acts):
            count = left if number == len(acts) - 1 else share
            left -= count
            self.wake_the_stopped()
            kind, _at, step = act.partition(" at ")
            if step:
                self.order(f"{'stop-' if kind == 'stop' else ''}{step}", count)
            else:
                self.kill(act, count)

    def make_up(self, least: Mapping[str, int], *, tries: int = 10) -> None:
        """Repeat the orders whose deaths were seen too seldom: a worker may have been quicker than the look at what it left."""
        steps = {"in sealing": "sealing", "before DATA": "before_data", "between 250 and commit": "after_250"}
        for _try in range(tries):
            short = [state for state, count in least.items() if self.deaths[state] < count]
            for state in short:
                self.order(steps[state], 5)

    def kill(self, what: str, count: int) -> None:
        """At any moment while `count` messages are on their way."""
        self.send(count)
        time.sleep(self.chance.uniform(0.05, 0.6))
        self.kills[what] += 1
        if what in {"worker process", "web process"}:
            self._kill_a_fork(what.removesuffix(" process"))
            self._look_around()
        elif what == "postgresql":
            self.ground.kill_postgresql()
            time.sleep(self.chance.uniform(0, 0.5))
            self.ground.start_postgresql()
        elif what == "relay" and self.ground.postfix:
            self.ground.postfix.kill()
            time.sleep(self.chance.uniform(0, 0.5))
            self.ground.postfix.start()
        else:
            child = self.chance.choice(self._named(what))
            child.kill()
            self._look_around()
            time.sleep(self.chance.uniform(0, 0.5))
            child.start()

    def _look_around(self) -> None:
        """What was in the hands of any worker when a process was killed at no chosen step."""
        with contextlib.suppress(psycopg.OperationalError):
            query = "SELECT status, count(*) FROM mailer_message WHERE status IN ('sealing', 'sealed', 'handing') GROUP BY status"
            self.around.update({str(status): int(str(count)) for status, count in self.ground.rows(query)})

    def _kill_a_fork(self, name: str) -> None:
        forks = [pid for child in self._named(name) for pid in child.forks() if pid not in self.stopped]
        if forks:
            os.kill(self.chance.choice(forks), signal.SIGKILL)

    def _named(self, name: str) -> list[Child]:
        return [child for key, child in self.ground.children.items() if key.startswith(name)]

    def send(self, count: int) -> None:
        """A few requests of different sizes."""
        while count > 0:
            size = min(count, self.chance.randint(1, 40))
            self.client.send(size)
            count -= size

    def order(self, step: str, count: int) -> None:
        """Have the next worker that comes to `step` die there, and look at what it leaves."""
        self._orders += 1
        path = self.ground.folder / "orders" / f"{step}.{self._orders}"
        path.touch()
        self.send(count)
        deadline = time.monotonic() + ORDER_SECONDS
        while path.exists() and time.monotonic() < deadline:
            # One that was stopped within a transaction holds its rows, and others may be waiting for them.
            self.wake_the_stopped()
            time.sleep(0.01)
        path.unlink(missing_ok=True)
        time.sleep(0.05)
        for death in self.ground.deaths()[self._seen :]:
            self._seen += 1
            self._look(death)

    def _look(self, death: Mapping[str, object]) -> None:
        """What the dead worker's messages were in, by the database and the relay's journal, before anybody takes them over."""
        stopped = str(death["order"]).startswith("stop-")
        self.kills["worker stopped" if stopped else "worker at a step"] += 1
        if stopped:
            self.stopped[int(str(death["pid"]))] = time.monotonic() + LEASE + 2
        found = dict(self._statuses(death["messages"]))
        taken = set(self.ground.taken())
        states = Counter(self._state(status, message_id in taken) for message_id, status in found.items())
        self.hits.update(states)
        if not stopped:
            self.deaths.update(set(states) - {"already settled"})

    @staticmethod
    def _state(status: str, taken: bool) -> str:  # noqa: FBT001 - a fact of the row
        if status == "handing":
            return "between 250 and commit" if taken else "before DATA"
        return {"sealing": "in sealing", "sealed": "before handing"}.get(status, "already settled")

    def _statuses(self, messages: object) -> list[tuple[str, str]]:
        for _try in range(50):
            try:
                rows = self.ground.rows("SELECT message_id, status FROM mailer_message WHERE id = ANY(%s::uuid[])", messages)
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return [(str(message_id), str(status)) for message_id, status in rows]
        return []

    def wake_the_stopped(self, *, wait: bool = False) -> None:
        """SIGCONT to those that were stopped for longer than their lease."""
        for pid, when in list(self.stopped.items()):
            if wait:
                time.sleep(max(0.0, when - time.monotonic()))
            if time.monotonic() >= when:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                del self.stopped[pid]
