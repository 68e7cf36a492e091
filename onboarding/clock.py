"""The clock of a review: one working day on the organisation's own calendar. Free of Django.

A working day runs from midnight to midnight in the organisation's time zone, on a day that is neither weekend nor public holiday
of its country and region. What is sent on such a day at 16:58 is due at 16:58 on the next one; what is sent on a day off is due
at the end of the next working day. While the applicant is asked for something the clock stands still.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

# Longer than any run of days off that a calendar can have; a search past it is a fault of the calendar.
LONGEST_BREAK = 60
SATURDAY = 5


class NoWorkingDayError(Exception):
    """A calendar has no working day within two months."""


@lru_cache(maxsize=256)
def _public_days(country: str, region: str, year: int) -> holidays.HolidayBase | None:
    supported = holidays.list_supported_countries(include_aliases=False)
    if country not in supported:
        return None
    return holidays.country_holidays(country, subdiv=region if region in supported[country] else None, years=year)


@dataclass(frozen=True)
class Calendar:
    """Working days of a country (ISO 3166-1), its region (ISO 3166-2 suffix, may be empty) and an IANA time zone.

    A country without a known calendar has Saturdays and Sundays off.
    """

    country: str
    region: str
    time_zone: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def knows_holidays(self) -> bool:
        return _public_days(self.country, self.region, 2000) is not None

    def is_working_day(self, day: date) -> bool:
        public = _public_days(self.country, self.region, day.year)
        return day.weekday() < SATURDAY if public is None else public.is_working_day(day)

    def next_working_day(self, after: date) -> date:
        """The first working day later than `after`; NoWorkingDayError if there is none within two months."""
        for days in range(1, LONGEST_BREAK):
            day = after + timedelta(days=days)
            if self.is_working_day(day):
                return day
        raise NoWorkingDayError(f"{self.country} {self.region} after {after}")

    def midnight(self, day: date) -> datetime:
        """The moment, in UTC, at which a day begins here."""
        return datetime.combine(day, time.min, tzinfo=self.zone).astimezone(UTC)


def deadline(start: datetime, calendar: Calendar) -> datetime:
    """When one working day from `start` (aware) is over, in UTC."""
    local = start.astimezone(calendar.zone)
    following = calendar.next_working_day(local.date())
    if calendar.is_working_day(local.date()):
        return datetime.combine(following, local.time(), tzinfo=calendar.zone).astimezone(UTC)
    return calendar.midnight(following + timedelta(days=1))


def working_time(start: datetime, end: datetime, calendar: Calendar) -> timedelta:
    """How much of the time from `start` to `end` lies on working days; nothing if `end` is not later."""
    total = timedelta()
    day = start.astimezone(calendar.zone).date()
    while (begins := calendar.midnight(day)) < end:
        day += timedelta(days=1)
        if calendar.is_working_day(day - timedelta(days=1)):
            total += max(timedelta(), min(end, calendar.midnight(day)) - max(start, begins))
    return total


def resumed(stopped: datetime, due: datetime, again: datetime, calendar: Calendar) -> datetime:
    """The new deadline of a clock that was `due`, stood still from `stopped`, and runs again from `again`.

    What working time was left then is left now; an overdue clock is due at once.
    """
    left = working_time(stopped, due, calendar)
    day = again.astimezone(calendar.zone).date()
    if not calendar.is_working_day(day):
        day = calendar.next_working_day(day)
    moment = max(again.astimezone(UTC), calendar.midnight(day))
    while moment + left > (end := calendar.midnight(day + timedelta(days=1))):
        left -= end - moment
        day = calendar.next_working_day(day)
        moment = calendar.midnight(day)
    return moment + left
