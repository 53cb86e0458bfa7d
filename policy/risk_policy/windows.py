"""Windows of time, cut into intervals that Alertmanager can be given.

An interval of Alertmanager lies within one day: it cannot cross midnight, and knows no dates but
days of a month. So a window over midnight becomes its evening and, on the day after, its morning,
and a window between two dates becomes days of UTC. Together the intervals of a window cover
exactly its minutes; what cannot be covered exactly is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

#: As policies and Alertmanager alike call the weekdays 0 to 6 and the months 1 to 12.
WEEKDAY_NAMES: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
MONTH_NAMES: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
#: Begin and end in minutes of a day, the end not included.
Minutes = tuple[int, int]

MINUTES_PER_DAY: Final = 1440
_HOURS_PER_DAY: Final = 24
_MONTHS: Final = range(1, 13)
#: A year without and one with the 29th of February.
_YEARS_OF_BOTH_LENGTHS: Final = (2025, 2028)
#: Clocks of these years say in which months they go forward; beyond, rules only repeat.
_YEARS_LOOKED_AT: Final = range(2020, 2041)


#: Whether people are told is asked at every alert, of the windows of one policy.
_KEPT: Final = 256


class WindowError(ValueError):
    """Alertmanager cannot be told this window exactly."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Minutes of days; what is empty restricts nothing.

    Attributes:
        weekdays: 0 is Monday.
        days: of the month; -1 is its last.
        year: the only one, if there is one.
    """

    times: tuple[Minutes, ...] = ()
    weekdays: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    year: int | None = None
    zone: str = "UTC"

    def covers(self, at: datetime) -> bool:
        """Whether a moment lies in it, by the clocks of its zone."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute = _minute(local)
        days = {local.day, local.day - _length(local.year, local.month) - 1}
        return (
            (not self.times or any(begin <= minute < end for begin, end in self.times))
            and (not self.weekdays or local.weekday() in self.weekdays)
            and (not self.days or not days.isdisjoint(self.days))
            and (not self.months or local.month in self.months)
            and self.year in (None, local.year)
        )


@lru_cache(maxsize=_KEPT)
def recurring(window: Interval) -> tuple[Interval, ...]:
    """A window whose times may cross midnight. It begins on the days it names.

    Raises:
        WindowError: with what to write instead.
    """
    evening = tuple((begin, end if begin < end else MINUTES_PER_DAY) for begin, end in window.times)
    morning = tuple((0, end) for begin, end in window.times if end <= begin and end)
    intervals = [replace(window, times=evening)]
    if morning:
        intervals += [replace(day, times=morning) for day in _day_after(window)]
    for interval in intervals:
        _require_whole_months(interval)
    return tuple(intervals)


def dated(start: datetime, end: datetime) -> tuple[Interval, ...]:
    """Everything from one whole minute to another."""
    begin, stop = start.astimezone(UTC), end.astimezone(UTC)
    found: dict[tuple[int, int, tuple[Minutes, ...]], set[int]] = {}
    day = begin.date()
    while day <= stop.date():
        first = _minute(begin) if day == begin.date() else 0
        last = _minute(stop) if day == stop.date() else MINUTES_PER_DAY
        if first < last:
            whole = (first, last) == (0, MINUTES_PER_DAY)
            times = () if whole else ((first, last),)
            found.setdefault((day.year, day.month, times), set()).add(day.day)
        day += timedelta(days=1)
    return tuple(
        Interval(times=times, days=frozenset(days), months=frozenset({month}), year=year)
        for (year, month, times), days in found.items()
    )


def _minute(at: datetime) -> int:
    return at.hour * 60 + at.minute


def _day_after(window: Interval) -> Iterator[Interval]:
    """The days that follow those of a window."""
    weekdays = frozenset((day + 1) % 7 for day in window.weekdays)
    if not window.days and not window.months:
        yield replace(window, weekdays=weekdays)
        return
    if window.days:
        within = frozenset(day + 1 for day in window.days if day not in (-1, 31))
    else:
        within = frozenset(range(2, 32))
    if within:
        yield replace(window, weekdays=weekdays, days=within)
    ends = frozenset(
        month % 12 + 1 for month in window.months or _MONTHS if _ends_within(window.days, month)
    )
    if ends:
        yield replace(window, weekdays=weekdays, days=frozenset({1}), months=ends)


def _ends_within(days: frozenset[int], month: int) -> bool:
    """Whether the last day of a month is among the days."""
    if not days or -1 in days:
        return True
    among = {_length(year, month) in days for year in _YEARS_OF_BOTH_LENGTHS}
    if len(among) > 1:
        raise WindowError(
            "what begins on one of the last two days of February and crosses midnight ends on a "
            "day that depends on the year; name both 28 and 29 or neither, or write a window that "
            "ends at 24:00"
        )
    return among.pop()


def _require_whole_months(interval: Interval) -> None:
    """Refuse days that Alertmanager would take for others.

    It counts the days of a month by its hours, and in a month in which clocks go forward it
    counts one too few: the last day is none, and -1 is the day before it.
    """
    shortened = _months_losing_an_hour(interval.zone) & (interval.months or frozenset(_MONTHS))
    for month in sorted(shortened if interval.days else ()):
        lengths = {_length(year, month) for year in _YEARS_OF_BOTH_LENGTHS}
        if min(interval.days) < 0 or not lengths.isdisjoint(interval.days):
            raise WindowError(
                f"Alertmanager miscounts the last days of {date(2025, month, 1):%B}, in which "
                f'clocks of {interval.zone} go forward; take location = "UTC", other days, or a '
                "window with start and end"
            )


@cache
def _months_losing_an_hour(zone: str) -> frozenset[int]:
    return frozenset(
        month for year in _YEARS_LOOKED_AT for month in _MONTHS if _loses_an_hour(zone, year, month)
    )


def _loses_an_hour(zone: str, year: int, month: int) -> bool:
    clock = ZoneInfo(zone)
    begin = datetime(year, month, 1, tzinfo=clock)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=clock)
    hours = (end.astimezone(UTC) - begin.astimezone(UTC)) / timedelta(hours=1)
    return hours < _HOURS_PER_DAY * _length(year, month)


def _length(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
