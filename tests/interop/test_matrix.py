"""Every combination that can be sealed, in every other mail program, against the support table.

`python -m tests.interop.look_again` writes the table anew; what changed is then to be looked at and explained.
"""

from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.interop.combinations import CONTENTS, DEFAULT, LEAF_ONLY, RECIPIENTS, Combination, combinations
from tests.interop.conftest import ENGINES
from tests.interop.engine import Engine
from tests.interop.sealed import Sealer
from tests.interop.support import Row, outcome, read

EACH_ENGINE = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ENGINES]
OUTCOMES = {"ok", "not opened", "not verified"}


@pytest.fixture(scope="session")
def table() -> dict[Combination, Row]:
    return {row.combination: row for row in read()}


def test_the_table_has_a_row_for_each_combination_and_a_column_for_each_program(table: dict[Combination, Row]) -> None:
    assert [row.combination for row in read()] == list(combinations())
    assert len(table) == len(read())
    assert {tuple(row.outcomes) for row in table.values()} == {tuple(ENGINES)}


def test_the_table_says_why_wherever_something_does_not_open(table: dict[Combination, Row]) -> None:
    assert {outcome for row in table.values() for outcome in row.outcomes.values()} == OUTCOMES
    assert [row for row in table.values() if (set(row.outcomes.values()) == {"ok"}) != (not row.why)] == []


def test_the_defaults_are_read_by_everyone_who_knows_the_key(table: dict[Combination, Row]) -> None:
    """What a recipient of whom nothing is known gets."""
    for combination, row in table.items():
        if combination.cipher is DEFAULT and combination.also in {"", *CONTENTS}:
            by_default = {"rsa": set(ENGINES), "p256": {"openssl", "bouncycastle"}, "p384": {"openssl", "bouncycastle"}}.get(
                combination.recipient, set()
            )
            assert by_default <= {name for name, found in row.outcomes.items() if found == "ok"}, row


@pytest.mark.parametrize("recipient", RECIPIENTS)
@pytest.mark.parametrize("name", EACH_ENGINE)
def test_each_combination_fares_as_the_table_says(
    name: str, recipient: str, one_of_each: Callable[[str], Engine], sealer: Sealer, table: dict[Combination, Row]
) -> None:
    """Also what fares better than the table says is a difference."""
    tried = [combination for combination in combinations() if combination.recipient == recipient and combination.also != LEAF_ONLY]
    assert differences(one_of_each(name), name, tried, sealer, table) == {}


@pytest.mark.parametrize("name", EACH_ENGINE)
def test_a_leaf_without_its_intermediates_fares_as_the_table_says(
    name: str, started: Callable[[str], Engine], sealer: Sealer, table: dict[Combination, Row]
) -> None:
    """In a program that has not seen them in another mail: NSS and gpgsm keep what they see."""
    tried = [combination for combination in combinations() if combination.also == LEAF_ONLY]
    assert differences(started(name), name, tried, sealer, table) == {}


def differences(
    engine: Engine, name: str, tried: Sequence[Combination], sealer: Sealer, table: Mapping[Combination, Row]
) -> dict[Combination, tuple[str, str]]:
    """What was found beside what the table says, where they are not the same."""
    found = {combination: outcome(engine, sealer(combination)) for combination in tried}
    said = {combination: table[combination].outcomes[name] for combination in tried}
    return {combination: (found[combination], said[combination]) for combination in tried if found[combination] != said[combination]}
