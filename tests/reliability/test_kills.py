"""The whole house under kills: nothing lost, nothing doubled, nothing accepted but unlogged."""

import os
import random
import sys
import time
from collections.abc import Callable

import pytest

from tests.reliability.client import Client
from tests.reliability.conftest import need_postfix
from tests.reliability.ground import open_ground
from tests.reliability.kills import Butcher
from tests.reliability.verdict import LEAST, report, settle

Say = Callable[[str], None]
# Twenty kills, and two workers that sleep through their lease with a mail announced.
ACTS = [
    *["die at sealing"] * 3,
    "die at sealed",
    *["die at before_data"] * 3,
    *["die at after_250"] * 3,
    *["stop at before_data"] * 2,
    *["worker process"] * 2,
    "worker",
    "web process",
    "web",
    *["redis"] * 2,
    "postgresql",
    *["relay"] * 2,
]


def kill_for_a_while(relay: str, acts: list[str], messages: int, *, name: str, patience: float, say: Say) -> None:
    seed, began = int(os.environ.get("LETTERLOCK_SEED", str(random.SystemRandom().randrange(10**6)))), time.monotonic()
    say(f"{name}: LETTERLOCK_SEED={seed}")
    chance = random.Random(seed)
    acts = list(acts)
    chance.shuffle(acts)
    with open_ground(relay) as ground, Client(ground.address, ground.token) as client:
        butcher = Butcher(ground, client, chance)
        butcher.run(acts, messages)
        butcher.make_up(LEAST)
        butcher.wake_the_stopped(wait=True)
        settle(ground, client, seconds=patience)
        found = report(ground, client, butcher, seed=seed, copies=ground.counted(), began=began)
    found.keep(name)
    say(str(found))
    found.check()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Print also where the test passes: the seed and the report are what a run is for."""

    def speak(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return speak


def test_it_loses_and_doubles_nothing_under_twenty_kills(say: Say) -> None:
    kill_for_a_while("plain", ACTS, 500, name="kills", patience=120, say=say)


@pytest.mark.soak
@pytest.mark.parametrize("relay", ["plain", "once", "postfix"])
def test_it_loses_and_doubles_nothing_of_ten_thousand(relay: str, say: Say) -> None:
    if relay == "postfix":
        need_postfix()
    # Also workers that sleep with the relay's answer in their hands.
    acts = [*ACTS * 4, *["stop at after_250"] * 4, *["stop at sealing"] * 2]
    kill_for_a_while(relay, acts, 10_000, name=f"kills-{relay}", patience=600, say=say)


@pytest.mark.soak
def test_it_counts_what_is_doubled_where_the_relay_is_not_asked() -> None:
    """The counting itself: where what is in doubt is sent again blindly, the sink sees it twice."""
    with open_ground("blind") as ground, Client(ground.address, ground.token) as client:
        butcher = Butcher(ground, client, random.Random(1))
        butcher.run(["die at after_250"] * 3, 60)
        settle(ground, client, seconds=120)
        assert report(ground, client, butcher, seed=1, copies=ground.counted(), began=0).doubled >= 3
