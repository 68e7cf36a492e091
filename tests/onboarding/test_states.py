"""The table of transitions, line by line."""

import pytest

from onboarding.states import TRANSITIONS, Action, Status, WrongStateError, after

ENDS = {Status.APPROVED, Status.REJECTED, Status.WITHDRAWN}


def test_it_ends_in_three_ways() -> None:
    assert {status for status in Status if not any(start == status for start, _ in TRANSITIONS)} == ENDS


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("status", list(Status))
def test_it_goes_where_the_table_says_and_nowhere_else(status: Status, action: Action) -> None:
    if (status, action) in TRANSITIONS:
        assert after(status, action) == TRANSITIONS[status, action]
    else:
        with pytest.raises(WrongStateError):
            after(status, action)


def test_it_is_approved_only_after_a_second_look() -> None:
    assert [start for (start, _), end in TRANSITIONS.items() if end == Status.APPROVED] == [Status.SECOND_LOOK]
    assert [start for (start, _), end in TRANSITIONS.items() if end == Status.SECOND_LOOK] == [Status.SUBMITTED]


def test_it_can_be_reached_from_a_draft() -> None:
    reached, edge = set(), {Status.DRAFT}
    while edge:
        reached |= edge
        edge = {end for (start, _), end in TRANSITIONS.items() if start in edge} - reached
    assert reached == set(Status)
