"""When people are not told: the policy's windows as ``time_intervals``, and who refers to them.

Muting happens on routes of their own below those of a severity, for the categories that a window
names and for no others. What could trip the kill switch is on none of them, whatever its
category. Seen on 0.25: an alert that outlasts its window is told at the next look at its group.
One that was told before, ended within the window and began again has to wait for the next repeat,
as after a silence, which is why repeats towards the receivers are short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from risk_alertmanager.matchers import none_of, one_of
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.model.mute_times import MUTABLE_CATEGORIES
from risk_policy.quiet import NEVER_MUTED_ACTIONS, Quiet, quiet_of
from risk_policy.vocabulary import Severity
from risk_policy.windows import MONTH_NAMES, WEEKDAY_NAMES, Interval, Minutes

_BUSINESS_HOURS: Final = "business_hours"


def time_intervals(policy: Policy) -> list[dict[str, Any]]:
    """Every window that is in force."""
    alerting = policy.alerting
    named = {_mute(name): window for name, window in alerting.mute_times.enabled().items()}
    found = {name: window.intervals() for name, window in named.items()}
    if alerting.business_hours.enabled:
        found[_BUSINESS_HOURS] = alerting.business_hours.intervals()
    return [
        {"name": name, "time_intervals": [_written(one) for one in intervals]}
        for name, intervals in found.items()
    ]


def quiet_routes(policy: Policy, severity: Severity) -> Iterator[dict[str, Any]]:
    """Routes below that of a severity: one for the categories that share their windows."""
    shared: dict[Quiet, list[str]] = {}
    for category in MUTABLE_CATEGORIES:
        shared.setdefault(quiet_of(policy, severity, category), []).append(category.value)
    never = [action.value for action in NEVER_MUTED_ACTIONS]
    for quiet, categories in shared.items():
        if not quiet:
            continue
        mute = [_mute(name) for name in quiet.mute_times]
        yield {
            "matchers": [one_of(labels.CATEGORY, categories), none_of(labels.ACTION, never)],
            **({"mute_time_intervals": mute} if mute else {}),
            **({"active_time_intervals": [_BUSINESS_HOURS]} if quiet.business_hours else {}),
        }


def _mute(name: str) -> str:
    return f"mute_{name}"


def _written(interval: Interval) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if interval.times:
        written["times"] = [
            {"start_time": _time(begin), "end_time": _time(end)} for begin, end in interval.times
        ]
    if interval.weekdays:
        written["weekdays"] = [WEEKDAY_NAMES[day] for day in sorted(interval.weekdays)]
    if interval.days:
        written["days_of_month"] = [f"{first}:{last}" for first, last in _runs(interval.days)]
    if interval.months:
        written["months"] = [MONTH_NAMES[month - 1] for month in sorted(interval.months)]
    if interval.year is not None:
        written["years"] = [str(interval.year)]
    return {**written, "location": interval.zone}


def _time(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _runs(days: Iterable[int]) -> Iterator[Minutes]:
    """First and last of days that follow each other; no run goes from -1 to 1."""
    first = last = None
    for day in sorted(days):
        if first is None or last is None:
            first = last = day
        elif day == last + 1:
            last = day
        else:
            yield first, last
            first = last = day
    if first is not None and last is not None:
        yield first, last
