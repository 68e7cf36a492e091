"""What more entries cost: the same requests to two databases on one server, a hundred thousand entries against many more, asked in turn."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from urllib.parse import urlsplit

import orjson
import psycopg

from bench import house
from bench.errors import NotMeasuredError
from bench.interleave import compare_times
from bench.load import HttpCaller, Load, get, post
from bench.lookups import BATCH, ENTRIES, bearer, get_of
from bench.memory import children, proportional
from bench.rows import Goal, Row, Sense, of_amount, of_ratio

MANY, LARGE = 1_000_000, 10_000_000
# Those that are asked for, of all: what a look-up needs of them is in memory, as it is of those that are asked for in use.
ASKED = 5000
# A row of each of the three tables with its indexes, and what the write-ahead log may take meanwhile.
ENTRY_OCTETS, LOG_OCTETS = 4000, 9 * 10**9
SINGLE_PAIRS, BATCH_PAIRS = 4000, 100


def goals_for(count: int) -> dict[str, Goal]:
    """In the order in which the rows come."""
    slower = Goal(Sense.AT_MOST, 1.3)
    return {
        f"single look-up among {count:,}: p50 in ms, against 100,000": slower,
        f"look-up of 1000 in one request among {count:,}: p50 in ms, against 100,000": slower,
        f"publishing one certificate among {count:,}: p50 in ms": Goal(Sense.AT_MOST, 5, "ms"),
        f"memory: MB of a web process (PSS) after look-ups among {count:,}": Goal(Sense.AT_MOST, 150, "MB"),
    }


GOALS, LARGE_GOALS = goals_for(MANY), goals_for(LARGE)


def rows() -> Iterator[Row]:
    return rows_for(MANY)


def large_rows() -> Iterator[Row]:
    return rows_for(LARGE)


def rows_for(count: int) -> Iterator[Row]:
    single, batch, publishing, memory = goals_for(count).items()
    with house.opened() as few, ExitStack() as stack:
        check_room(few, count)
        many = grown(few)
        tokens = [opened.furnish("lookups", str(entries))["token"] for opened, entries in ((few, ENTRIES), (many, count))]
        stack.enter_context(house.on_cores(few.servers))
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[0]})
        webs = [stack.enter_context(opened.gunicorn("portal.wsgi")) for opened in (few, many)]
        os.sched_setaffinity(0, {cores[-1]})
        sides = list(zip(webs, tokens, (ENTRIES, count), strict=True))
        small, large = [_asking(web.port, _singles(token, entries)) for web, token, entries in sides]
        found = compare_times(large, small, pairs=SINGLE_PAIRS)
        yield of_ratio(single[0], found.ours * 1e3, found.against * 1e3, found.ratio, single[1])
        small, large = [_asking(web.port, _batches(token, entries)) for web, token, entries in sides]
        found = compare_times(large, small, pairs=BATCH_PAIRS)
        yield of_ratio(batch[0], found.ours * 1e3, found.against * 1e3, found.ratio, batch[1])
        yield of_amount(publishing[0], many.django("bench.publishing")["seconds"] * 1e3, publishing[1])
        # The server may be one process, or one that watches over others.
        largest = max(proportional(pid) for pid in [webs[1].process.pid, *children(webs[1].process.pid)])
        yield of_amount(memory[0], largest / 1e6, memory[1])


def check_room(opened: house.House, count: int) -> None:
    """Raise NotMeasuredError where that many entries would fill the disk."""
    needed, free = count * ENTRY_OCTETS + LOG_OCTETS, shutil.disk_usage(opened.state).free
    if free < needed:
        raise NotMeasuredError(f"{count:,} entries need {needed / 1e9:.0f} GB where {opened.state} is, and {free / 1e9:.0f} GB are free")


def grown(opened: house.House) -> house.House:
    """The same house with another database, empty too, on the same server."""
    url = opened.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True, dbname="postgres") as connection:
        name = urlsplit(url).path.removeprefix("/")
        connection.execute(f'CREATE DATABASE grown TEMPLATE "{name}"')  # the name is the embedded server's
        # Without these a load of many millions is written to the log twice, each page anew after every checkpoint.
        connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
        connection.execute("SELECT pg_reload_conf()")
    return opened.with_settings({"DATABASE_URL": url.replace(f"/{name}?", "/grown?")})


def _asking(port: int, requests: list[bytes]) -> Callable[[], None]:
    """A call that has the next request answered over a connection that stays open; all have been answered once before."""
    Load(port, requests).run(len(requests))
    caller, following = HttpCaller(port), cycle(requests)
    return lambda: caller.ask(next(following))


def _asked(entries: int) -> list[str]:
    chance = random.Random(1)
    return [f"c{number}@example.net" for number in chance.sample(range(1, entries + 1), ASKED)]


def _singles(token: str, entries: int) -> list[bytes]:
    return [get(get_of(email), bearer(token)) for email in _asked(entries)]


def _batches(token: str, entries: int) -> list[bytes]:
    emails = _asked(entries)
    bodies = (orjson.dumps({"emails": emails[start : start + BATCH]}) for start in range(0, ASKED, BATCH))
    return [post("/api/v1/lookups", body, bearer(token)) for body in bodies]
