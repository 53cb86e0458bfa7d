"""Windows in which people are not told, in words."""

from __future__ import annotations

from risk_policy.model.mute_times import BusinessHours, MuteTime


def within(window: MuteTime | BusinessHours) -> str:
    """When a window is, e.g. ``22:00-06:00, saturday, UTC``."""
    if isinstance(window, MuteTime) and window.start and window.end:
        parts = [f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"]
    else:
        parts = [*window.times, *window.weekdays]
    if isinstance(window, MuteTime):
        parts += [f"day {day} of the month" for day in window.days_of_month]
        parts += window.months
    return ", ".join([*parts, window.location])
