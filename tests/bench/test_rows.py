"""What the bench tells: rows with goals that can be missed, and rows that could not be measured."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import run
from bench.errors import NotMeasuredError
from bench.rows import Goal, Row, Sense, missing, of_amount, of_ratio, table, write

AT_LEAST, AT_MOST, SECONDS = Goal(Sense.AT_LEAST, 0.8), Goal(Sense.AT_MOST, 1.15), Goal(Sense.AT_MOST, 20, "seconds")
NEAR = Goal(Sense.NEAR, 1.03)


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (of_ratio("a", 80, 100, 0.8, AT_LEAST), True),
        (of_ratio("a", 79, 100, 0.79, AT_LEAST), False),
        (of_ratio("a", 100, 115, 1.15, AT_MOST), True),
        (of_ratio("a", 100, 116, 1.16, AT_MOST), False),
        (of_ratio("a", 103, 100, 1.03, NEAR), True),
        (of_ratio("a", 104, 100, 1.04, NEAR), False),
        (of_ratio("a", 98, 100, 0.98, NEAR), True),
        (of_ratio("a", 96, 100, 0.96, NEAR), False),
        (of_amount("a", 20.0, SECONDS), True),
        (of_amount("a", 20.01, SECONDS), False),
        (missing("a", AT_LEAST), False),
    ],
)
def test_it_meets_a_goal_or_misses_it(row: Row, met: bool) -> None:  # noqa: FBT001 - a case's expectation
    assert row.met is met


def test_it_writes_what_it_shows(tmp_path: Path) -> None:
    rows = [of_ratio("sealed/s", 80, 100, 0.8, AT_LEAST), of_amount("first page", 12.345, SECONDS), missing("rival", AT_MOST)]
    write(rows, tmp_path / "var" / "bench.json")
    assert json.loads((tmp_path / "var" / "bench.json").read_text()) == [
        {"name": "sealed/s", "ours": 80, "against": 100, "ratio": 0.8, "goal": "ratio >= 0.8", "met": True},
        {"name": "first page", "ours": 12.35, "against": 20, "ratio": 0.617, "goal": "seconds <= 20", "met": True},
        {"name": "rival", "ours": None, "against": None, "ratio": None, "goal": "ratio <= 1.15", "met": False},
    ]
    lines = table(rows).splitlines()
    assert len(lines) == 4
    assert [line.rsplit(maxsplit=1)[-1] for line in lines[1:]] == ["yes", "yes", "NO"]


def half() -> Iterator[Row]:
    yield of_ratio("first", 1, 1, 1.0, AT_LEAST)
    raise NotMeasuredError("the rival is not installed")


def test_it_counts_what_it_could_not_measure_as_not_met(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run, "GROUPS", {"half": run.Group(half, {"first": AT_LEAST, "second": AT_LEAST})})
    assert run.main(["--out", str(tmp_path / "bench.json")]) == 1
    found = json.loads((tmp_path / "bench.json").read_text())
    assert [(row["name"], row["met"]) for row in found] == [("first", True), ("second", False)]
    assert "the rival is not installed" in capsys.readouterr().out


def test_it_ends_well_though_a_goal_is_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = run.Group(lambda: iter([of_ratio("slow", 1, 2, 0.5, AT_LEAST)]), {"slow": AT_LEAST})
    monkeypatch.setattr(run, "GROUPS", {"slow": slow})
    assert run.main(["--out", str(tmp_path / "bench.json")]) == 0


def test_it_refuses_an_unknown_group() -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["nonsense"])


def test_it_has_a_goal_for_every_row_and_no_name_twice() -> None:
    names = [name for group in run.GROUPS.values() for name in group.goals]
    assert len(names) == len(set(names))
    assert all(group.goals for group in run.GROUPS.values())
