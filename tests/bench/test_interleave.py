"""Ratios of two sides whose speeds are known."""

import time
from collections.abc import Callable

from bench.interleave import compare, repeated


def busy(seconds: float) -> Callable[[], None]:
    def once() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return once


def test_it_finds_the_ratio_of_two_speeds() -> None:
    found = compare(repeated(busy(0.002)), repeated(busy(0.001)), rounds=5, seconds=0.06)
    assert 0.3 < found.ratio < 0.7
    assert found.ours < found.against


def test_it_lets_each_side_go_first_in_every_other_round() -> None:
    order: list[str] = []

    def side(name: str) -> Callable[[int], int]:
        def work(count: int) -> int:
            order.append(name)
            time.sleep(0.06)
            return count

        return work

    compare(side("ours"), side("floor"), rounds=4, seconds=0.01)
    assert "".join(name[0] for name in order[-8:]) == "offooffo"
