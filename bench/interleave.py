"""Two sides in alternating rounds: what disturbs the machine disturbs both, so their ratio holds where absolute figures wander."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 31
ROUND_SECONDS = 0.12

# Does its work that many times (or for that many units) and says how many units were done.
Side = Callable[[int], int]


class Comparison(NamedTuple):
    """What was measured of both sides, such as units a second, and the ratio ours / against: where there are rounds, the median of theirs."""

    ours: float
    against: float
    ratio: float


def repeated(once: Callable[[], object]) -> Side:
    """A side out of one call that does one unit."""

    def side(count: int) -> int:
        for _ in range(count):
            once()
        return count

    return side


def rate(side: Side, count: int) -> float:
    """Units a second."""
    gc.collect()
    started = time.perf_counter()
    done = side(count)
    return done / (time.perf_counter() - started)


def compare(ours: Side, against: Side, *, rounds: int = ROUNDS, seconds: float = ROUND_SECONDS) -> Comparison:
    """Both sides in turn, each first in every other round, each round about `seconds` a side."""
    counts = [max(1, round(rate(side, _warm(side)) * seconds)) for side in (ours, against)]
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second = rate(against, counts[1])
            pairs.append((rate(ours, counts[0]), second))
        else:
            first = rate(ours, counts[0])
            pairs.append((first, rate(against, counts[1])))
    return Comparison(
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[0] / pair[1] for pair in pairs),
    )


def compare_times(ours: Callable[[], object], against: Callable[[], object], *, pairs: int) -> Comparison:
    """The median time of one call of each, in seconds, called in turn and each first in every other pair; the ratio is that of the medians."""
    gc.collect()
    taken: tuple[list[float], list[float]] = [], []
    for number in range(pairs):
        for place in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            (ours, against)[place]()
            taken[place].append(time.perf_counter() - started)
    first, second = map(statistics.median, taken)
    return Comparison(first, second, first / second)


def _warm(side: Side) -> int:
    """A count that takes at least a twentieth of a second, found by doubling; what is warmed on the way stays warm."""
    count = 1
    while True:
        started = time.perf_counter()
        side(count)
        if time.perf_counter() - started >= 0.05:
            return count
        count *= 2
