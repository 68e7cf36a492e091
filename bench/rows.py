"""One line of the result, and how it is told."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Sense(StrEnum):
    AT_LEAST = ">="
    AT_MOST = "<="
    # Within that factor of 1, whichever side is the slower one.
    NEAR = "= 1 within a factor of"


@dataclass(frozen=True)
class Goal:
    """What a row is to reach: `of` says whether a ratio or an amount, such as seconds, is compared."""

    sense: Sense
    value: float
    of: str = "ratio"

    def met_by(self, measured: float) -> bool:
        if self.sense is Sense.NEAR:
            return 1 / self.value <= measured <= self.value
        return measured >= self.value if self.sense is Sense.AT_LEAST else measured <= self.value

    def __str__(self) -> str:
        return f"{self.of} {self.sense} {self.value:g}"


@dataclass(frozen=True)
class Row:
    """`ours` and `against` are in the unit that `name` tells; None where a side could not be measured, and then `met` is false."""

    name: str
    ours: float | None
    against: float | None
    ratio: float | None
    goal: str
    met: bool


def of_ratio(name: str, ours: float, against: float, ratio: float, goal: Goal) -> Row:
    return Row(name, round(ours, 3), round(against, 3), round(ratio, 3), str(goal), goal.met_by(ratio))


def of_amount(name: str, amount: float, goal: Goal) -> Row:
    """Seconds or MB against their aim; the ratio is the share of the aim that was used."""
    return Row(name, round(amount, 2), goal.value, round(amount / goal.value, 3), str(goal), goal.met_by(amount))


def missing(name: str, goal: Goal) -> Row:
    return Row(name, None, None, None, str(goal), met=False)


def table(rows: Sequence[Row]) -> str:
    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"

    cells = [("name", "ours", "against", "ratio", "goal", "met")]
    cells += [(row.name, cell(row.ours), cell(row.against), cell(row.ratio), row.goal, "yes" if row.met else "NO") for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    left = {0, 4}
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width) for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def write(rows: Sequence[Row], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    draft.rename(path)
