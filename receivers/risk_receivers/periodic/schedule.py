"""When a report is due, and what it is then about. Pure.

A report takes over where the last one of its kind ended. So what was missed while the service was
down is made up once, in one report on all of that time, and nothing is told twice.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from risk_policy.model.reports import Reports
from risk_policy.windows import WEEKDAY_NAMES
from risk_receivers.periodic.period import Period, midnight

_DAY: Final = timedelta(days=1)


def latest_due(kind: str, settings: Reports, now: datetime) -> datetime:
    """The last time, up to now, at which a report of a kind was due."""
    day = now.astimezone(ZoneInfo(settings.location)).date() + _DAY
    while True:
        day -= _DAY
        at = _at(day, settings)
        if at <= now and _is_day(kind, settings, day):
            return at


def next_due(kind: str, settings: Reports, now: datetime) -> datetime:
    """The first time after now."""
    day = now.astimezone(ZoneInfo(settings.location)).date() - _DAY
    while True:
        day += _DAY
        at = _at(day, settings)
        if at > now and _is_day(kind, settings, day):
            return at


def period_end(kind: str, settings: Reports, due: datetime) -> datetime:
    """Where the period ends of a report that is due: a day's at that time, others' at midnight."""
    if kind == "daily":
        return due
    return midnight(due.astimezone(ZoneInfo(settings.location)).date(), settings.location)


def period_of(kind: str, settings: Reports, due: datetime, last_end: datetime) -> Period | None:
    """What a report is about that is due; None if that was reported already."""
    end = period_end(kind, settings, due)
    return Period(last_end, end, settings.location) if last_end < end else None


def _is_day(kind: str, settings: Reports, day: date) -> bool:
    if kind == "daily":
        return True
    if kind == "compliance":
        return day.day == 1
    return day.weekday() == WEEKDAY_NAMES.index(settings.weekly_on)


def _at(day: date, settings: Reports) -> datetime:
    hours, minutes = settings.at.split(":")
    local = datetime.combine(day, time(int(hours), int(minutes)), ZoneInfo(settings.location))
    return local.astimezone(UTC)
