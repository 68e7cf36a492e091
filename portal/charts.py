"""Charts from the server: rows in, the geometry of an SVG out. The same rows stand in the table beneath."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.functional import Promise

BASE = 176.0
TOP = 14.0
GAP = 1.0
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Series:
    """One kind of thing that is counted: its word and the class of its colour."""

    word: str | Promise
    mark: str


@dataclass(frozen=True)
class Day:
    """One column: a day and its counts, in the order of the series."""

    day: date
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Bar:
    """A rectangle: x and width in per cent, y and height in pixels, as text that no locale touches."""

    mark: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Rule:
    """A line of the scale and its label."""

    y: str
    label_y: str
    value: int


@dataclass(frozen=True)
class Label:
    """The word beneath a column; minor ones give way on phones."""

    x: str
    day: date
    minor: bool
    last: bool


@dataclass(frozen=True)
class Columns:
    """Stacked columns, ready to be drawn."""

    series: Sequence[Series]
    days: Sequence[Day]
    bars: Sequence[Bar]
    rules: Sequence[Rule]
    labels: Sequence[Label]
    total: int


def _step(most: int) -> int:
    """A round distance of the scale's lines, so that three to five of them reach `most`."""
    size = 1
    while True:
        for step in STEPS:
            if step * size * 4 >= most:
                return step * size
        size *= 10


def columns(series: Sequence[Series], days: Sequence[Day]) -> Columns:
    """Stacked columns for days; the scale begins at nought and ends above the highest day."""
    most = max((day.total for day in days), default=0)
    step = _step(most)
    top = max(step * -(-most // step), step)
    height = BASE - TOP
    slot = 100 / max(len(days), 1)
    bars: list[Bar] = []
    labels: list[Label] = []
    for at, day in enumerate(days):
        foot = BASE
        for kind, count in zip(series, day.counts, strict=True):
            if not count:
                continue
            tall = max(count / top * height, 1.5)
            bars.append(Bar(kind.mark, f"{(at + 0.16) * slot:.2f}%", f"{foot - tall:.1f}", f"{0.68 * slot:.2f}%", f"{tall:.1f}"))
            foot -= tall + GAP
        last = at == len(days) - 1
        labels.append(Label(f"{(at + 0.5) * slot:.2f}%", day.day, minor=(len(days) - 1 - at) % 3 != 0, last=last))
    rules = [Rule(f"{BASE - value / top * height:.1f}", f"{BASE - value / top * height - 4:.1f}", value) for value in range(step, top + 1, step)]
    return Columns(series, days, bars, rules, labels, sum(day.total for day in days))
