"""The minutes of a window: those the policy names are those that Alertmanager mutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import quick_yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import risk_alertmanager
from risk_policy import InvalidPolicyError, Policy, parse_policy
from risk_policy.quiet import is_muted
from risk_policy.vocabulary import Category, Severity

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
]  # fmt: skip
#: Clocks that change in March, in September, at midnight, by half an hour, oddly, and never.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe",
    "Africa/Cairo", "America/Santiago", "Asia/Kathmandu",
)  # fmt: skip
MINUTE = timedelta(minutes=1)
#: Something that a window mutes.
WHAT = (Severity.WARNING, Category.PORTFOLIO, "notify")


# -- what Alertmanager does with an interval, as its documentation and behaviour have it ---------


def covers(intervals: list[dict[str, Any]], at: datetime) -> bool:
    return any(_covers(interval, at.astimezone(ZoneInfo(interval["location"])))
               for interval in intervals)  # fmt: skip


def _covers(interval: dict[str, Any], local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    times = interval.get("times")
    if times and not any(
        _minutes(one["start_time"]) <= minute < _minutes(one["end_time"]) for one in times
    ):
        return False
    days = interval.get("days_of_month")
    if days and not any(_holds_day(one, local) for one in days):
        return False
    return (
        WEEKDAYS[local.weekday()] in interval.get("weekdays", WEEKDAYS)
        and MONTHS[local.month - 1] in interval.get("months", MONTHS)
        and str(local.year) in interval.get("years", [str(local.year)])
    )


def _holds_day(days: str, local: datetime) -> bool:
    length = _length(local.tzinfo, local.year, local.month)
    first, last = (
        day if day > 0 else length + day + 1 for day in (int(text) for text in days.split(":"))
    )
    if first > length:
        return False
    return max(first, -length) <= local.day <= min(last, length)


@cache
def _length(zone: tzinfo | None, year: int, month: int) -> int:
    # The length of a month is counted in hours, so it is short by one where clocks go forward.
    begin = datetime(year, month, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return int((end.astimezone(UTC) - begin) / timedelta(hours=1) / 24)


@cache
def _minutes(text: str) -> int:
    assert len(text) == 5
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def written(policy: Policy, name: str) -> list[dict[str, Any]]:
    config = quick_yaml.load(risk_alertmanager.alertmanager_config(policy))
    (found,) = [one for one in config["time_intervals"] if one["name"] == name]
    intervals: list[dict[str, Any]] = found["time_intervals"]
    for interval in intervals:
        for times in interval.get("times", []):
            assert times["start_time"] < times["end_time"], "Alertmanager wants them split"
    return intervals


# -- what the policy says ------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """A window that recurs, as somebody means it."""

    times: list[tuple[int, int]]
    weekdays: list[int]
    days: list[tuple[int, int]]
    months: list[int]
    zone: str

    @property
    def text(self) -> str:
        times = [f"{_time(begin)}-{_time(end)}" for begin, end in self.times]
        days = [str(first) if first == last else f"{first}:{last}" for first, last in self.days]
        return (
            "[alerting.mute_times.window]\n"
            f"times = {times}\nweekdays = {[WEEKDAYS[day] for day in self.weekdays]}\n"
            f"days_of_month = {days}\nmonths = {[MONTHS[month - 1] for month in self.months]}\n"
            f"location = '{self.zone}'\n"
        )

    def is_on(self, at: datetime) -> bool:
        local = at.astimezone(ZoneInfo(self.zone))
        minute, today = local.hour * 60 + local.minute, local.date()
        yesterday = today - timedelta(days=1)
        if not self.times:
            return self._begins_on(today)
        for begin, end in self.times:
            if begin < end and begin <= minute < end and self._begins_on(today):
                return True
            if begin > end and minute >= begin and self._begins_on(today):
                return True
            if begin > end and minute < end and self._begins_on(yesterday):
                return True
        return False

    def _begins_on(self, day: date) -> bool:
        following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        length = (following - timedelta(days=1)).day
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.months or day.month in self.months)
            and (
                not self.days
                or any(
                    first <= (day.day if first > 0 else day.day - length - 1) <= last
                    for first, last in self.days
                )
            )
        )


def _time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def ranges() -> st.SearchStrategy[tuple[int, int]]:
    of_month = st.tuples(st.integers(1, 31), st.integers(1, 31))
    from_end = st.tuples(st.integers(-28, -1), st.integers(-28, -1))
    return (of_month | from_end).filter(lambda pair: pair[0] <= pair[1])


WINDOWS = st.builds(
    Window,
    times=st.lists(
        st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda t: t[0] != t[1]),
        max_size=3,
    ),
    weekdays=st.lists(st.integers(0, 6), max_size=4, unique=True),
    days=st.lists(ranges(), max_size=2),
    months=st.lists(st.integers(1, 12), max_size=4, unique=True),
    zone=st.sampled_from(ZONES),
)


def moments(around: date) -> Iterator[datetime]:
    """Three days, coarsely, and on every day at other minutes."""
    begin = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=1)
    return (begin + step * 23 * MINUTE for step in range(3 * 1440 // 23))


@settings(deadline=None, max_examples=60)
@given(WINDOWS, st.lists(st.dates(date(2025, 1, 2), date(2029, 12, 30)), min_size=4, max_size=4))
def test_what_recurs_is_muted_in_the_minutes_the_policy_names_and_in_no_others(
    window: Window, days: list[date]
) -> None:
    try:
        policy = parse_policy(window.text.encode(), environ={})
    except InvalidPolicyError as error:
        (problem,) = error.problems
        reasons = ("for ever", "clocks", "February")
        assert any(reason in problem.message for reason in reasons), problem
        assume(False)
    intervals = written(policy, "mute_window")
    # Where it is delicate: ends of months, and the days on which clocks change.
    delicate = [date(2026, 3, 8), date(2026, 3, 29), date(2028, 3, 1), date(2027, 3, 1),
                date(2026, 10, 25), date(2026, 9, 30)]  # fmt: skip
    for day in [*days, *delicate]:
        for at in moments(day):
            on = window.is_on(at)
            assert covers(intervals, at) == on, at
            assert is_muted(policy, *WHAT, at) == on, at
    for begin, end in window.times:
        for minute in (begin, end):
            edge = datetime(
                2026, 6, 1, minute // 60 % 24, minute % 60, tzinfo=ZoneInfo(window.zone)
            )
            for at in (edge - MINUTE, edge, edge + MINUTE):
                assert covers(intervals, at) == window.is_on(at), at


@settings(deadline=None, max_examples=100)
@given(
    st.integers(0, 3 * 365 * 1440),
    st.integers(1, 31 * 1440),
    st.sampled_from(ZONES),
    st.booleans(),
)
def test_what_happens_once_is_muted_from_its_first_minute_to_its_last(
    begin: int, minutes: int, zone: str, with_offset: bool
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + begin * MINUTE
    end = start + minutes * MINUTE
    shown = [at if with_offset else at.astimezone(ZoneInfo(zone)) for at in (start, end)]
    text = "\n".join(
        [
            "[alerting.mute_times.once]",
            *(
                f"{key} = {(at if with_offset else at.replace(tzinfo=None)).isoformat()}"
                for key, at in zip(("start", "end"), shown, strict=True)
            ),
            f"location = '{zone}'",
        ]
    )
    try:
        policy = parse_policy(text.encode(), environ={})
    except InvalidPolicyError as error:
        assert not with_offset
        assert "clocks" in str(error)
        assume(False)
    intervals = written(policy, "mute_once")
    assert is_muted(policy, *WHAT, start)
    assert not is_muted(policy, *WHAT, end)
    inside = [start, start + MINUTE, start + minutes // 2 * MINUTE, end - MINUTE]
    assert all(covers(intervals, at) == (start <= at < end) for at in inside)
    for day in range(-2, 34):
        for at in (start + timedelta(days=day), end + timedelta(days=day, hours=7)):
            assert covers(intervals, at) == (start <= at < end), at
    assert not covers(intervals, start - MINUTE)
    assert not covers(intervals, end)
    a_year_on = start.replace(year=start.year + 1) if (start.month, start.day) != (2, 29) else end
    assert not covers(intervals, a_year_on)
