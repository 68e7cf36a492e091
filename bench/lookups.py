"""Look-ups through the API against a bare WSGI callable on the same server and table; servers on one core, the load on the other."""

import os
import random
from collections.abc import Iterator

import orjson

from bench import house
from bench.interleave import compare
from bench.load import Load, get, post
from bench.rows import Goal, Row, Sense, of_ratio

ENTRIES = 100_000
BATCH = 1000
BATCHES = 20
SINGLES = 5000

SINGLE = "single look-up among 100,000: look-ups/s, against bare WSGI with one prepared query"
MANY = "look-up of 1000 in one request: certificates/s, against bare WSGI"
GOALS = {SINGLE: Goal(Sense.AT_LEAST, 0.8), MANY: Goal(Sense.AT_LEAST, 0.9)}


def rows() -> Iterator[Row]:
    with house.opened() as opened:
        token = opened.furnish("lookups", str(ENTRIES))["token"]
        chance = random.Random(1)
        singles = [get_of(f"c{chance.randint(1, ENTRIES)}@example.net") for _ in range(SINGLES)]
        many = [[f"c{chance.randint(1, ENTRIES)}@example.net" for _ in range(BATCH)] for _ in range(BATCHES)]
        bearer = f"Authorization: Bearer {token}\r\n"
        with house.on_cores(opened.servers):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cores[0]})
            with opened.gunicorn("portal.wsgi") as ours, opened.gunicorn("bench.floors.lookup:application") as floor:
                os.sched_setaffinity(0, {cores[-1]})
                found = compare(
                    Load(ours.port, [get(path, bearer) for path in singles]).run,
                    Load(floor.port, [get(path) for path in singles]).run,
                    rounds=7,
                    seconds=1,
                )
                yield of_ratio(SINGLE, found.ours, found.against, found.ratio, GOALS[SINGLE])
                bodies = [orjson.dumps({"emails": emails}) for emails in many]
                found = compare(
                    Load(ours.port, [post("/api/v1/lookups", body, bearer) for body in bodies]).run,
                    Load(floor.port, [post("/", body) for body in bodies]).run,
                    rounds=7,
                    seconds=1,
                )
                yield of_ratio(MANY, found.ours * BATCH, found.against * BATCH, found.ratio, GOALS[MANY])


def get_of(email: str) -> str:
    return f"/api/v1/certificates?email={email}"
