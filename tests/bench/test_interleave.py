"""Ratios of two sides whose speeds are known."""

import time
from collections.abc import Callable

from bench.interleave import compare, compare_times, repeated


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


def test_it_finds_the_ratio_of_two_times_though_some_calls_are_disturbed() -> None:
    order: list[str] = []

    def call(name: str, seconds: float) -> Callable[[], None]:
        work, disturbed = busy(seconds), busy(0.02)

        def once() -> None:
            order.append(name)
            (disturbed if len(order) % 7 == 0 else work)()

        return once

    found = compare_times(call("o", 0.002), call("f", 0.001), pairs=20)
    assert 1.5 < found.ratio < 3
    assert found.ours > found.against
    assert "".join(order).startswith("foof")
