"""Writing the ledger of what was accepted, against a bare COPY in binary of the same lines."""

from collections.abc import Iterator

from bench import house
from bench.interleave import Comparison
from bench.rows import Goal, Row, Sense, of_ratio

# `bench.writing` counts thousands.
A_UNIT = 1000
LOG = "ledger: lines/s of the send log, against bare COPY in binary"
GOALS = {LOG: Goal(Sense.AT_LEAST, 0.6)}


def rows() -> Iterator[Row]:
    with house.opened() as opened:
        opened.furnish("sending", "10")
        found = Comparison(**opened.django("bench.writing"))
        yield of_ratio(LOG, found.ours * A_UNIT, found.against * A_UNIT, found.ratio, GOALS[LOG])
