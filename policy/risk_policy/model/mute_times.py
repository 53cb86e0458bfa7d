"""When people are not told: maintenance windows, and business hours.

Only people are kept quiet, by Alertmanager: what is muted is recorded, escalates and acts all the
same. An emergency, the kill switch, security and the risk layer's own trouble are never muted.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from risk_policy.model.base import Section, SeverityName, Switch
from risk_policy.vocabulary import Category, Severity
from risk_policy.windows import (
    MONTH_NAMES,
    WEEKDAY_NAMES,
    Interval,
    Minutes,
    WindowError,
    dated,
    recurring,
)

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TIME: Final = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_TIMES: Final = re.compile(rf"{_TIME}-(?:{_TIME}|(24):(00))")
_DAY: Final = re.compile(r"(-?[0-9]{1,2})(?::(-?[0-9]{1,2}))?")
#: Days that every month has, counted from its end.
_FARTHEST_FROM_END: Final = -28
_LAST_DAY: Final = 31
_LONGEST: Final = timedelta(days=31)
_NEVER_MUTED: Final = {
    Category.SYSTEM: "the risk layer's own trouble has to reach people at any time",
    Category.KILL_SWITCH: "whatever the kill switch does has to reach people at any time",
    Category.SECURITY: "intruders come when nobody looks",
}
MUTABLE_CATEGORIES: Final = tuple(one for one in Category if one not in _NEVER_MUTED)


def _mutable_severity(severity: Severity) -> Severity:
    if severity is Severity.EMERGENCY:
        raise PydanticCustomError(
            "muted", "is never muted: an emergency has to reach people at any time"
        )
    return severity


def _mutable_category(category: Category) -> Category:
    if why := _NEVER_MUTED.get(category):
        raise PydanticCustomError("muted", "is never muted: {why}", {"why": why})
    return category


def _minutes(text: str) -> Minutes:
    found = _TIMES.fullmatch(text)
    if not found:
        raise ValueError('must be "HH:MM-HH:MM", e.g. "22:00-06:00" or "18:00-24:00"')
    begin_hour, begin_minute, *end = (int(part) for part in found.groups() if part is not None)
    begin, stop = begin_hour * 60 + begin_minute, end[0] * 60 + end[1]
    if begin == stop:
        raise ValueError("begins when it ends; leave times out to mean whole days")
    return begin, stop


def _times(text: str) -> str:
    _minutes(text)
    return text


@lru_cache(maxsize=256)
def _named_range(text: str, names: tuple[str, ...]) -> frozenset[int]:
    first, _, last = text.lower().partition(":")
    if first not in names or (last or first) not in names:
        raise ValueError(f'must be one of {", ".join(names)}, or e.g. "{names[4]}:{names[0]}"')
    begin = names.index(first)
    length = (names.index(last or first) - begin) % len(names) + 1
    return frozenset((begin + step) % len(names) for step in range(length))


def _weekdays(text: str) -> str:
    _named_range(text, WEEKDAY_NAMES)
    return text


def _months(text: str) -> str:
    _named_range(text, MONTH_NAMES)
    return text


def _days(text: str) -> frozenset[int]:
    found = _DAY.fullmatch(text)
    first, last = (int(part or found[1]) for part in found.groups()) if found else (0, 0)
    same_side = (first > 0) == (last > 0)
    if 0 in (first, last) or not same_side or first > last:
        raise ValueError('must be a day, e.g. 15 or -1 (the last), or days, e.g. "1:7"')
    if first < _FARTHEST_FROM_END or last > _LAST_DAY:
        raise ValueError(f"must lie from 1 to {_LAST_DAY}, or from {_FARTHEST_FROM_END} to -1")
    return frozenset(range(first, last + 1))


def _day(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _day_range(text: str) -> str:
    _days(text)
    return text


def _zone(name: str) -> str:
    try:
        if name == "localtime":  # another one on every machine
            raise ValueError(name)  # noqa: TRY301 - it is told as the others are
        zoneinfo.ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # unknown, a folder, or no name at all
        raise ValueError(
            'is no time zone of the IANA data base; write e.g. "Europe/Berlin" or "UTC"'
        ) from error
    return name


def _moment(value: object) -> object:
    if not isinstance(value, datetime):
        raise PydanticCustomError(
            "moment", "must be a date with a time, without quotes: 2026-12-05T22:00:00"
        )
    if value.second or value.microsecond:
        raise PydanticCustomError("moment", "must be a whole minute, the finest Alertmanager knows")
    return value


MutableSeverity = Annotated[SeverityName, AfterValidator(_mutable_severity)]
MutableCategory = Annotated[Category, AfterValidator(_mutable_category)]
Times = Annotated[str, AfterValidator(_times)]
Weekdays = Annotated[str, AfterValidator(_weekdays)]
Months = Annotated[str, AfterValidator(_months)]
DaysOfMonth = Annotated[
    str, BeforeValidator(_day, json_schema_input_type=int | str), AfterValidator(_day_range)
]
Zone = Annotated[str, AfterValidator(_zone)]
#: Without an offset it is meant at the window's location.
Moment = Annotated[datetime, BeforeValidator(_moment)]


class _Recurring(Section):
    severities: tuple[MutableSeverity, ...]
    times: tuple[Times, ...] = ()
    weekdays: tuple[Weekdays, ...] = ()
    location: Zone = "UTC"

    def _window(self) -> Interval:
        return Interval(
            times=tuple(sorted(_minutes(text) for text in self.times)),
            weekdays=_union(_named_range(text, WEEKDAY_NAMES) for text in self.weekdays),
            zone=self.location,
        )


class MuteTime(_Recurring):
    """``[alerting.mute_times.<name>]``: a window in which people are not told.

    It recurs, or happens once from ``start`` to ``end``. What crosses midnight belongs to the day
    on which it begins.
    """

    enabled: Switch = True
    severities: tuple[MutableSeverity, ...] = (Severity.DEBUG, Severity.INFO, Severity.WARNING)
    categories: tuple[MutableCategory, ...] = MUTABLE_CATEGORIES
    days_of_month: tuple[DaysOfMonth, ...] = ()
    months: tuple[Months, ...] = ()
    start: Moment | None = None
    end: Moment | None = None

    @model_validator(mode="after")
    def _can_be_told_exactly(self) -> Self:
        try:
            self.intervals()
        except WindowError as error:
            raise PydanticCustomError("window", "{why}", {"why": str(error)}) from error
        return self

    def intervals(self) -> tuple[Interval, ...]:
        """What Alertmanager is told. Raises WindowError, but not once it is validated."""
        recurs = (self.times, self.weekdays, self.days_of_month, self.months)
        if self.start is None and self.end is None:
            if not any(recurs):
                raise WindowError("would mute for ever; write times, weekdays, or start and end")
            days = _union(_days(text) for text in self.days_of_month)
            months = _union(_named_range(text, MONTH_NAMES) for text in self.months)
            numbers = frozenset(month + 1 for month in months)
            return recurring(self._with(days, numbers))
        if self.start is None or self.end is None:
            raise WindowError("has one of start and end; write both")
        if any(recurs):
            raise WindowError(
                "happens once, from start to end: leave times, weekdays, days_of_month and months "
                "out, or start and end"
            )
        return self._once(self.start, self.end)

    def _with(self, days: frozenset[int], months: frozenset[int]) -> Interval:
        window = self._window()
        return Interval(window.times, window.weekdays, days, months, zone=window.zone)

    def _once(self, start: datetime, end: datetime) -> tuple[Interval, ...]:
        begin, stop = self._instant(start, "start"), self._instant(end, "end")
        if begin >= stop:
            raise WindowError("ends before it begins; write a start before its end")
        if stop - begin > _LONGEST:
            raise WindowError(
                f"lasts longer than {_LONGEST.days} days; whoever is not told for so long has "
                "switched the alert off"
            )
        return dated(begin, stop)

    def _instant(self, moment: datetime, key: str) -> datetime:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        local = moment.replace(tzinfo=zoneinfo.ZoneInfo(self.location))
        instants = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        if len(instants) > 1:
            raise WindowError(
                f"{key} is when clocks of {self.location} are changed, where a time exists twice "
                f"or never; write it with its offset, e.g. {moment.isoformat()}+01:00"
            )
        return instants.pop()


class MuteTimes(Section):
    """``[alerting.mute_times]``: any number of windows, each by its own name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MuteTime]

    #: Type of the tables in this one.
    named: ClassVar[type[MuteTime]] = MuteTime

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            if not _NAME.fullmatch(str(name)):
                raise PydanticCustomError(
                    "name",
                    "holds a window whose name is none: letters a-z, digits and _, e.g. "
                    "[alerting.mute_times.nightly_restart]",
                )
        return value

    def enabled(self) -> dict[str, MuteTime]:
        """The windows that are in force, by name."""
        windows = self.__pydantic_extra__ or {}
        return {name: window for name, window in sorted(windows.items()) if window.enabled}


class BusinessHours(_Recurring):
    """``[alerting.business_hours]``: outside of them, people are not told of the severities."""

    enabled: Switch = False
    severities: tuple[MutableSeverity, ...] = (Severity.INFO,)
    times: tuple[Times, ...] = ("08:00-18:00",)
    weekdays: tuple[Weekdays, ...] = ("monday:friday",)

    def intervals(self) -> tuple[Interval, ...]:
        """When people are told."""
        return recurring(self._window())


def _union(parts: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset(one for part in parts for one in part)
