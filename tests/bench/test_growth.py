"""A database that is to grow is begun only where there is room for it."""

from pathlib import Path

import pytest

from bench import growth, run
from bench.errors import NotMeasuredError
from bench.house import House
from portal.running.servers import Services


def test_it_does_not_begin_what_would_fill_the_disk(tmp_path: Path) -> None:
    opened = House(tmp_path, {}, Services("", ""))
    with pytest.raises(NotMeasuredError, match="GB are free"):
        growth.check_room(opened, 10**13)


def test_the_large_one_is_measured_only_where_it_is_asked_for() -> None:
    usual = {name for group in run.GROUPS.values() for name in group.goals}
    assert usual >= set(growth.GOALS)
    assert usual.isdisjoint(growth.LARGE_GOALS)
    assert all("10,000,000" in name for name in growth.LARGE_GOALS)
