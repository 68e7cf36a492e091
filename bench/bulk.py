"""Importing a file of certificates as the command does, in its processes, against parsing and a bare COPY in one."""

from collections.abc import Iterator

from bench import house
from bench.interleave import Comparison
from bench.rows import Goal, Row, Sense, of_ratio

IMPORT = "import: certificates/s out of a PEM file, against cryptography and bare COPY in binary"
GOALS = {IMPORT: Goal(Sense.AT_LEAST, 0.5)}


def rows() -> Iterator[Row]:
    with house.opened() as opened:
        found = Comparison(**opened.django("bench.import_sides"))
        yield of_ratio(IMPORT, found.ours, found.against, found.ratio, GOALS[IMPORT])
