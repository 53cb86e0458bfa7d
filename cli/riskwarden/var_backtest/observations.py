"""Recorded days as forecasts and what came of them. Pure.

Invariant: a forecast is older than the day that it is held against. The value at risk of a day is
what was exported last on the day of record before it, of the book as it was then; the profit is
the change of equity from that moment to the end of the day. It is the actual profit, with
whatever was traded, paid and deposited on the day.

What cannot be judged is left out and counted, by reason, and breaks the sequence: what follows a
gap does not follow on the day before it. A day on which nothing was gained or lost, although
something was held, is none of trading: the exporter runs through week-ends and holidays too, and
days that cannot be exceptions would make value at risk look better than it is. Such a day breaks
nothing: Monday follows on Friday.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from risk_exporter.days import DayRecord

#: A week-end with the holidays around it. Beyond it more than one trading day has passed, and a
#: day's value at risk says nothing of that.
LONGEST_STEP: Final = timedelta(days=5)


class LeftOut(StrEnum):
    """Why a day is not judged."""

    NO_FORECAST = "no value at risk was told on the day before it"
    OTHER_LEVEL = "its forecast is at another level of confidence"
    FLAT = "nothing was held when it began"
    GAP = f"more than {LONGEST_STEP.days} days after the day before it"
    CURRENCY = "the account's currency changed"
    STILL = "no market moved what was held: a week-end or a holiday"


@dataclass(frozen=True, slots=True)
class Observation:
    """A day, its forecast and what came of it, in the account's currency.

    Attributes:
        forecast_on: the day at the end of which it was made.
        value_at_risk: over one day; a loss, so positive.
        profit: what the day brought; negative if it lost.
        follows: whether the observation before it is of the day before.
    """

    day: date
    forecast_on: date
    value_at_risk: float
    profit: float
    covered_ratio: float
    sample_count: int
    follows: bool

    @property
    def is_exception(self) -> bool:
        """Whether the day lost more than was forecast."""
        return -self.profit > self.value_at_risk


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that can be judged, and how much cannot.

    Attributes:
        confidence_pct: None if no forecast is known at all.
        levels: how many forecasts there are at which level.
        horizons: over how many days forecasts were exported; they are judged over one.
    """

    confidence_pct: float | None
    currency: str
    observations: tuple[Observation, ...]
    left_out: Mapping[LeftOut, int]
    levels: Mapping[float, int]
    horizons: tuple[int, ...]

    @property
    def runs(self) -> list[list[bool]]:
        """Whether each day was an exception, in stretches without a gap."""
        runs: list[list[bool]] = []
        for one in self.observations:
            if not one.follows or not runs:
                runs.append([])
            runs[-1].append(one.is_exception)
        return runs


def observe(
    days: Sequence[DayRecord],
    *,
    confidence_pct: float | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Observed:
    """What the record shows from day to day, at the latest level unless one is asked for."""
    forecasts = [record.forecast for record in days if record.forecast is not None]
    level = confidence_pct
    if level is None and forecasts:
        level = forecasts[-1].confidence_pct
    left_out: Counter[LeftOut] = Counter()
    found: list[Observation] = []
    judged_before = False
    for before, after in pairwise(days):
        day = date.fromisoformat(after.day)
        if (since is not None and day < since) or (until is not None and day > until):
            judged_before = False
            continue
        why = _left_out(before, after, level)
        if why is not None:
            left_out[why] += 1
            judged_before = judged_before and why is LeftOut.STILL
            continue
        found.append(_observation(before, after, follows=judged_before))
        judged_before = True
    return Observed(
        confidence_pct=level,
        currency=days[-1].currency if days else "",
        observations=tuple(found),
        left_out=left_out,
        levels=Counter(forecast.confidence_pct for forecast in forecasts),
        horizons=tuple(sorted({forecast.horizon_days for forecast in forecasts})),
    )


def _left_out(before: DayRecord, after: DayRecord, level: float | None) -> LeftOut | None:
    forecast = before.forecast
    if before.currency != after.currency:
        return LeftOut.CURRENCY
    if date.fromisoformat(after.day) - date.fromisoformat(before.day) > LONGEST_STEP:
        return LeftOut.GAP
    if forecast is None:
        return LeftOut.NO_FORECAST
    if forecast.confidence_pct != level:
        return LeftOut.OTHER_LEVEL
    if forecast.positions_open == 0:
        return LeftOut.FLAT
    if after.equity == before.equity:
        return LeftOut.STILL
    return None


def _observation(before: DayRecord, after: DayRecord, *, follows: bool) -> Observation:
    forecast = before.forecast
    assert forecast is not None
    # Longer horizons are exported as one day's figure times the square root of time.
    daily = forecast.var_ratio * before.equity / math.sqrt(forecast.horizon_days)
    return Observation(
        day=date.fromisoformat(after.day),
        forecast_on=date.fromisoformat(before.day),
        value_at_risk=daily,
        profit=after.equity - before.equity,
        covered_ratio=forecast.covered_ratio,
        sample_count=forecast.sample_count,
        follows=follows,
    )
