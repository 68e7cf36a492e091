"""Measure the groups that are asked for (default: all but large), print the table, write `var/bench.json`."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bench import bulk, commands, end_to_end, growth, ledger, lookups, memory, repeats, sealing
from bench.errors import NotMeasuredError
from bench.rows import Goal, Row, missing, table, write

ROOT = Path(__file__).resolve().parent.parent


class Group(NamedTuple):
    """Rows that are measured together, and the goal of each: a row that does not come is told as missing."""

    rows: Callable[[], Iterator[Row]]
    goals: Mapping[str, Goal]


GROUPS = {
    "sealing": Group(sealing.rows, sealing.GOALS),
    "lookups": Group(lookups.rows, lookups.GOALS),
    "repeats": Group(repeats.rows, repeats.GOALS),
    "growth": Group(growth.rows, growth.GOALS),
    "import": Group(bulk.rows, bulk.GOALS),
    "ledger": Group(ledger.rows, ledger.GOALS),
    "memory": Group(memory.rows, memory.GOALS),
    "end-to-end": Group(end_to_end.rows, end_to_end.GOALS),
    "demo": Group(commands.demo_rows, commands.DEMO_GOALS),
    "tests": Group(commands.test_rows, commands.TEST_GOALS),
}
# Only where they are asked for: an hour, and forty gigabytes.
LARGE = {"large": Group(growth.large_rows, growth.LARGE_GOALS)}


def measure(group: Group) -> list[Row]:
    """The group's rows in the order of its goals. What cannot be measured is told and counts as not met."""
    found: dict[str, Row] = {}
    try:
        for row in group.rows():
            found[row.name] = row
    except NotMeasuredError as error:
        print(f"not measured: {error}", flush=True)
    return [found.get(name) or missing(name, goal) for name, goal in group.goals.items()]


def main(arguments: list[str]) -> int:
    """0 if everything was measured, whatever was met: what it costs is a finding, not a failure. 1 if a row is missing."""
    known = GROUPS | LARGE
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("groups", nargs="*", metavar="GROUP", help=f"one or more of: {', '.join(known)}")
    options.add_argument("--out", type=Path, default=ROOT / "var" / "bench.json")
    chosen = options.parse_args(arguments)
    unknown = set(chosen.groups) - set(known)
    if unknown:
        options.error(f"no such group: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in chosen.groups or GROUPS:
        started = time.monotonic()
        rows += measure(known[name])
        print(f"{name}: measured in {time.monotonic() - started:.0f} s", flush=True)
    print(f"\n{table(rows)}")
    write(rows, chosen.out)
    return 1 if any(row.ours is None for row in rows) else 0
