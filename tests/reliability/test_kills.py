"""The whole house under kills: nothing lost, nothing doubled, nothing accepted but unlogged."""

import os
import random
import sys
import time
from collections import Counter

from tests.reliability.client import Client
from tests.reliability.ground import open_ground
from tests.reliability.kills import Butcher
from tests.reliability.verdict import LEAST, report, settle

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


def test_it_loses_and_doubles_nothing_under_twenty_kills() -> None:
    seed, began = int(os.environ.get("LETTERLOCK_SEED", str(random.SystemRandom().randrange(10**6)))), time.monotonic()
    sys.stdout.write(f"seed {seed}\n")
    acts = list(ACTS)
    chance = random.Random(seed)
    chance.shuffle(acts)
    with open_ground() as ground, Client(ground.address, ground.token) as client:
        butcher = Butcher(ground, client, chance)
        butcher.run(acts, 500)
        butcher.make_up(LEAST)
        butcher.wake_the_stopped(wait=True)
        settle(ground, client, seconds=120)
        copies = Counter(str(line["id"]) for line in ground.taken())
        found = report(ground, client, butcher, seed=seed, copies=copies, began=began)
    found.publish("kills")
    found.check()
