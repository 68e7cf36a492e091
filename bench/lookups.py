"""Look-ups through the API against a bare WSGI callable on the same server and table, and against slapd with the same certificates.

Servers are on one core, the load on the other. Ours answers with all that it has in use: a token, its quota, what its owners publish.
"""

import os
import random
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from typing import NamedTuple

import orjson
import psycopg

from bench import house
from bench.floors.ldap import Searcher, search
from bench.floors.slapd import slapd
from bench.interleave import compare, compare_times, rate
from bench.load import HttpCaller, Load, get, post
from bench.rows import Goal, Row, Sense, of_ratio

ENTRIES = 100_000
BATCH = 1000
BATCHES = 20
SINGLES = 5000
# What slapd may be asked in one search, and over how many connections: its best counts.
FILTERS, CONNECTIONS = (50, 100, 200, 1000), (4, 8)
SEARCHES = 20_000
HIDDEN, PAIRS = 200, 4000

SINGLE = "single look-up among 100,000: look-ups/s, against bare WSGI with one prepared query"
MANY = "look-up of 1000 in one request: certificates/s, against bare WSGI"
RIVAL = "look-up of 1000 in one request: certificates/s, against slapd's best batch"
SECRET = "look-up of an address that is not there: p50 in ms, against one that is hidden"  # noqa: S105 - the name of a row
GOALS = {
    SINGLE: Goal(Sense.AT_LEAST, 0.8),
    MANY: Goal(Sense.AT_LEAST, 0.9),
    RIVAL: Goal(Sense.AT_LEAST, 1.4),
    SECRET: Goal(Sense.NEAR, 1.03),
}


class Best(NamedTuple):
    """What slapd is fastest at: addresses a search, and a load of them."""

    addresses: int
    load: Load


def rows() -> Iterator[Row]:
    with house.opened() as opened:
        token = opened.furnish("lookups", str(ENTRIES))["token"]
        chance = random.Random(1)
        singles = [get_of(f"c{chance.randint(1, ENTRIES)}@example.net") for _ in range(SINGLES)]
        many = [[f"c{chance.randint(1, ENTRIES)}@example.net" for _ in range(BATCH)] for _ in range(BATCHES)]
        with house.on_cores(opened.servers):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {cores[0]})
            with opened.gunicorn("portal.wsgi") as ours, opened.gunicorn("bench.floors.lookup:application") as floor:
                os.sched_setaffinity(0, {cores[-1]})
                found = compare(
                    Load(ours.port, [get(path, bearer(token)) for path in singles]).run,
                    Load(floor.port, [get(path) for path in singles]).run,
                    rounds=7,
                    seconds=1,
                )
                yield of_ratio(SINGLE, found.ours, found.against, found.ratio, GOALS[SINGLE])
                bodies = [orjson.dumps({"emails": emails}) for emails in many]
                batches = Load(ours.port, [post("/api/v1/lookups", body, bearer(token)) for body in bodies])
                found = compare(batches.run, Load(floor.port, [post("/", body) for body in bodies]).run, rounds=7, seconds=1)
                yield of_ratio(MANY, found.ours * BATCH, found.against * BATCH, found.ratio, GOALS[MANY])
                os.sched_setaffinity(0, {cores[0]})
                with slapd(certificates(opened.servers.database_url)) as (port, _):
                    os.sched_setaffinity(0, {cores[-1]})
                    best = best_of(port, chance)
                    found = compare(batches.run, best.load.run, rounds=7, seconds=1)
                    ratio = found.ratio * BATCH / best.addresses
                    yield of_ratio(RIVAL, found.ours * BATCH, found.against * best.addresses, ratio, GOALS[RIVAL])
                yield secrecy(opened, ours.port, token)


def certificates(database_url: str) -> Iterator[tuple[str, bytes]]:
    """Each address of the directory with its DER."""
    with psycopg.connect(database_url) as connection, connection.cursor("certificates", binary=True) as cursor:
        yield from cursor.execute("SELECT m.match, c.der FROM directory_certificate c JOIN directory_mailbox m ON m.id = c.mailbox_id")


def best_of(port: int, chance: random.Random) -> Best:
    """What slapd finds most certificates a second with."""
    rates: dict[float, Best] = {}
    for addresses in FILTERS:
        drawn = (chance.sample(range(1, ENTRIES + 1), addresses) for _ in range(SEARCHES // addresses))
        searches = [search([f"c{number}@example.net" for number in numbers]) for numbers in drawn]
        for connections in CONNECTIONS:
            load = Load(port, searches, connections=connections, caller=partial(Searcher, expected=addresses))
            load.run(len(searches))
            reached = rate(load.run, len(searches)) * addresses
            print(f"  slapd, {addresses} addresses a search, {connections} connections: {reached:,.0f} certificates/s", flush=True)
            rates[reached] = Best(addresses, load)
    return rates[max(rates)]


def secrecy(opened: house.House, port: int, token: str) -> Row:
    """The names differ in their last letter, so that both stand in the same places of the index."""
    opened.furnish("hidden", str(HIDDEN))
    there = [get(get_of(f"c{number}@example.net"), bearer(token)) for number in range(1, HIDDEN + 1)]
    none = [get(get_of(f"c{number}@example.nes"), bearer(token)) for number in range(1, HIDDEN + 1)]
    caller = HttpCaller(port)
    asked = [cycle(none), cycle(there)]
    for requests in (none, there):
        Load(port, requests).run(2 * len(requests))
    found = compare_times(lambda: caller.ask(next(asked[0])), lambda: caller.ask(next(asked[1])), pairs=PAIRS)
    return of_ratio(SECRET, found.ours * 1e3, found.against * 1e3, found.ratio, GOALS[SECRET])


def get_of(email: str) -> str:
    return f"/api/v1/certificates?email={email}"


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n"
