"""Writing the ledger of what was accepted, against a bare COPY in binary of the same rows."""

from collections.abc import Iterator

from bench import house
from bench.interleave import Comparison
from bench.rows import Goal, Row, Sense, of_ratio

# `bench.writing` counts thousands.
A_UNIT = 1000
LOG = "ledger: lines/s of the send log, against bare COPY in binary"
MESSAGES = "outbox: messages/s of 4 KB with their lines, against bare COPY in binary"
# The log is the ledger that the goal was set for. A message's row is in four more indexes, has a reference and four checks: half the speed is
# what that may cost.
GOALS = {LOG: Goal(Sense.AT_LEAST, 0.6), MESSAGES: Goal(Sense.AT_LEAST, 0.5)}


def rows() -> Iterator[Row]:
    with house.opened() as opened:
        opened.furnish("sending", "10")
        for name, kind in ((LOG, "log"), (MESSAGES, "messages")):
            found = Comparison(**opened.django("bench.writing", kind))
            yield of_ratio(name, found.ours * A_UNIT, found.against * A_UNIT, found.ratio, GOALS[name])
