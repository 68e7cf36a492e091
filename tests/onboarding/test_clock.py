"""One working day, on whose calendar, and what a pause does to it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.clock import Calendar, deadline, resumed, working_time

BERLIN = Calendar("DE", "BE", "Europe/Berlin")
BAVARIA = Calendar("DE", "BY", "Europe/Berlin")
LONDON = Calendar("GB", "ENG", "Europe/London")
DUBAI = Calendar("AE", "", "Asia/Dubai")
SHANGHAI = Calendar("CN", "", "Asia/Shanghai")
NOWHERE = Calendar("XX", "", "Pacific/Kiritimati")
DAY = timedelta(days=1)


def local(calendar: Calendar, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=calendar.zone)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("calendar", "start", "due"),
    [
        (LONDON, (2026, 11, 23, 16, 58), (2026, 11, 24, 16, 58)),
        (BERLIN, (2026, 11, 27, 16, 58), (2026, 11, 30, 16, 58)),  # Friday to Monday
        (BERLIN, (2026, 11, 28, 11, 0), (2026, 12, 1, 0, 0)),  # Saturday: the end of Monday
        (BERLIN, (2026, 12, 24, 9, 0), (2026, 12, 28, 9, 0)),  # over Christmas
        (BAVARIA, (2027, 1, 5, 9, 0), (2027, 1, 7, 9, 0)),  # Epiphany is a holiday in Bavaria,
        (BERLIN, (2027, 1, 5, 9, 0), (2027, 1, 6, 9, 0)),  # and none in Berlin
        (LONDON, (2026, 3, 27, 12, 0), (2026, 3, 30, 12, 0)),  # the clocks go forward in between
        (SHANGHAI, (2026, 2, 13, 10, 0), (2026, 2, 14, 10, 0)),  # a Saturday that is worked before the Spring Festival
    ],
)  # fmt: skip
def test_it_is_due_at_the_same_hour_of_the_next_working_day(calendar: Calendar, start: tuple[int, ...], due: tuple[int, ...]) -> None:
    assert deadline(local(calendar, *start), calendar) == local(calendar, *due)


def test_it_knows_other_weekends() -> None:
    assert not BERLIN.is_working_day(date(2026, 11, 29))
    assert DUBAI.is_working_day(date(2026, 11, 27)) is True  # a Friday, worked since 2022
    assert not Calendar("SA", "", "Asia/Riyadh").is_working_day(date(2026, 11, 27))


def test_it_counts_week_ends_where_no_calendar_is_known() -> None:
    assert not NOWHERE.knows_holidays
    assert NOWHERE.is_working_day(date(2026, 12, 25))
    assert not NOWHERE.is_working_day(date(2026, 12, 26))


def test_it_stands_still_while_the_applicant_is_asked() -> None:
    sent, asked, answered = local(BERLIN, 2026, 11, 23, 10), local(BERLIN, 2026, 11, 23, 14), local(BERLIN, 2026, 11, 26, 9)
    # Of 24 hours 4 were used; 20 are left from Thursday 9:00.
    assert resumed(asked, deadline(sent, BERLIN), answered, BERLIN) == local(BERLIN, 2026, 11, 27, 5)


def test_it_goes_on_with_the_next_working_day_after_an_answer_on_a_day_off() -> None:
    due, asked = local(BERLIN, 2026, 11, 27, 12), local(BERLIN, 2026, 11, 27, 10)
    assert resumed(asked, due, local(BERLIN, 2026, 11, 28, 15), BERLIN) == local(BERLIN, 2026, 11, 30, 2)


def test_it_leaves_nothing_of_a_clock_that_was_overdue() -> None:
    due, answered = local(BERLIN, 2026, 11, 24, 10), local(BERLIN, 2026, 11, 26, 9)
    assert resumed(due + timedelta(hours=3), due, answered, BERLIN) == answered


calendars = st.sampled_from([BERLIN, BAVARIA, LONDON, DUBAI, SHANGHAI, NOWHERE, Calendar("US", "CA", "America/Los_Angeles"),
                             Calendar("IL", "", "Asia/Jerusalem"), Calendar("NP", "", "Asia/Kathmandu"), Calendar("CL", "", "America/Santiago"),
                             Calendar("AU", "", "Australia/Lord_Howe"), Calendar("WS", "", "Pacific/Apia")])  # fmt: skip
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
pauses = st.lists(st.tuples(st.floats(0, 1), st.timedeltas(timedelta(0), timedelta(days=20))), max_size=4)


@given(calendars, moments)
def test_it_gives_one_working_day_and_never_less(calendar: Calendar, start: datetime) -> None:
    due = deadline(start, calendar)
    assert due > start
    # Where the clocks change on a working day, that day has an hour more or less, or half an hour on Lord Howe.
    assert abs(working_time(start, due, calendar) - DAY) <= timedelta(hours=1)
    assert calendar.is_working_day((due - timedelta(microseconds=1)).astimezone(calendar.zone).date())


@given(calendars, moments, pauses)
def test_it_takes_no_working_time_and_adds_none_by_pausing(calendar: Calendar, start: datetime, stops: list[tuple[float, timedelta]]) -> None:
    due = deadline(start, calendar)
    whole, used, running_from = working_time(start, due, calendar), timedelta(), start
    for share, length in stops:
        stopped = running_from + (due - running_from) * share
        used += working_time(running_from, stopped, calendar)
        running_from = stopped + length
        due = resumed(stopped, due, running_from, calendar)
        assert due >= running_from
    assert used + working_time(running_from, due, calendar) == whole


@given(calendars, moments, st.timedeltas(timedelta(0), timedelta(days=9)), st.timedeltas(timedelta(0), timedelta(days=9)))
def test_it_adds_up(calendar: Calendar, start: datetime, first: timedelta, second: timedelta) -> None:
    middle, end = start + first, start + first + second
    assert working_time(start, middle, calendar) + working_time(middle, end, calendar) == working_time(start, end, calendar)
    assert working_time(end, start, calendar) == timedelta()


def test_it_is_kept_in_utc() -> None:
    assert deadline(local(LONDON, 2026, 11, 23, 9), LONDON).tzinfo == UTC
    assert ZoneInfo("Europe/London") == LONDON.zone
