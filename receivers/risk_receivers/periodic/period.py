"""The time that a report is about: from a moment on, up to another one that is not part of it.

So two reports of neighbouring periods count nothing twice and leave nothing out. Days and weeks
are those of a zone: a day on which clocks are changed has 23 or 25 hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from risk_receivers.periodic.errors import PeriodError

_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_HOW: Final = (
    "write a day like 2026-11-30, a time like 2026-11-30T06:00, or how long ago it was, like 24h, "
    "7d or 2w"
)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` on, until before ``end``; both with their zone."""

    start: datetime
    end: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise PeriodError(
                f"the period ends {self.end.isoformat()}, which is not after its start "
                f"{self.start.isoformat()}; give --until a later time"
            )

    def __contains__(self, at: object) -> bool:
        return isinstance(at, datetime) and self.start <= at < self.end

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start).total_seconds()

    @property
    def before(self) -> Period:
        """As much time, right before it."""
        return Period(self.start - (self.end - self.start), self.start, self.zone)

    def local(self, at: datetime) -> datetime:
        """A time on this period's clock."""
        return at.astimezone(ZoneInfo(self.zone))

    def shown(self, at: datetime) -> str:
        """A time on this period's clock, in words."""
        return f"{self.local(at):%Y-%m-%d %H:%M:%S}"

    def __str__(self) -> str:
        start, end = self.local(self.start), self.local(self.end)
        if start.time() == end.time() == time():
            last = end.date() - timedelta(days=1)
            days = str(last) if last == start.date() else f"{start.date()} to {last}"
            return f"{days} ({self.zone})"
        return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({self.zone})"


def moment(text: str, zone: str, now: datetime) -> datetime:
    """A time as somebody writes it, a day meaning its beginning. Raises PeriodError."""
    if found := _AGO.fullmatch(text):
        return now - timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PeriodError(f"{text!r} is no time; {_HOW}") from None


def midnight(day: date, zone: str) -> datetime:
    """When a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
