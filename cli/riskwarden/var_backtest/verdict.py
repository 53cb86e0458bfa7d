"""All tests over one sequence of observations. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from riskwarden.var_backtest.coverage import (
    SIGNIFICANCE,
    LikelihoodRatio,
    Transitions,
    at_least,
    at_most,
    conditional,
    independence,
    kupiec,
    transitions,
)
from riskwarden.var_backtest.observations import Observation, Observed
from riskwarden.var_backtest.traffic_light import BASEL_DAYS, TrafficLight, traffic_light

#: Below so many expected exceptions the chi-square distribution is a rough guide, by the usual
#: rule for counts.
_ROUGH_BELOW: Final = 5.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests say.

    Attributes:
        probability: the chance of an exception on any day, by the level of confidence.
        chance_of_more: the exact chance of so many exceptions or more if forecasts are right.
        light: over the latest days, as many as the framework looks at or as there are.
        worst: over the worst stretch of so many days, which ended on ``worst_until``.
    """

    probability: float
    days: int
    exceptions: tuple[Observation, ...]
    expected: float
    coverage: LikelihoodRatio
    seen: Transitions
    alone: LikelihoodRatio
    both: LikelihoodRatio
    chance_of_more: float
    chance_of_fewer: float
    light: TrafficLight
    worst: TrafficLight
    worst_until: date | None

    @property
    def is_rough(self) -> bool:
        """Whether so few exceptions are to be expected that chi-square is a rough guide."""
        return self.coverage.statistic is not None and self.expected < _ROUGH_BELOW

    @property
    def is_refuted(self) -> bool | None:
        """Whether exceptions are too many or too few; None where nothing can be told.

        Where chi-square is rough the exact chance has the last word: of 250 days at 99 % one year
        in twelve has no exception at all, and a rough p-value of 0.025.
        """
        if not (self.coverage.rejects and self.is_rough):
            return self.coverage.rejects
        is_more = len(self.exceptions) > self.expected
        return (self.chance_of_more if is_more else self.chance_of_fewer) < SIGNIFICANCE


def judge(observed: Observed) -> Verdict | None:
    """The verdict; None where no forecast at all is known."""
    if observed.confidence_pct is None:
        return None
    # Of 95 % it is 0.05, and not a hair more.
    probability = round(1 - observed.confidence_pct / 100, 12)
    exceptions = tuple(one for one in observed.observations if one.is_exception)
    days, count = len(observed.observations), len(exceptions)
    coverage = kupiec(days, count, probability)
    seen = transitions(observed.runs)
    alone = independence(seen)
    stretch, ends_at = _worst_stretch([one.is_exception for one in observed.observations])
    latest = observed.observations[-BASEL_DAYS:]
    return Verdict(
        probability=probability,
        days=days,
        exceptions=exceptions,
        expected=days * probability,
        coverage=coverage,
        seen=seen,
        alone=alone,
        both=conditional(coverage, alone),
        chance_of_more=at_least(days, count, probability),
        chance_of_fewer=at_most(days, count, probability),
        light=traffic_light(len(latest), sum(one.is_exception for one in latest), probability),
        worst=traffic_light(len(latest), stretch, probability),
        worst_until=observed.observations[ends_at].day if days else None,
    )


def _worst_stretch(hits: list[bool]) -> tuple[int, int]:
    """The most exceptions in as many days as the framework looks at, and where they end."""
    most = count = sum(hits[:BASEL_DAYS])
    ends_at = min(BASEL_DAYS, len(hits)) - 1
    for at in range(BASEL_DAYS, len(hits)):
        count += hits[at] - hits[at - BASEL_DAYS]
        if count > most:
            most, ends_at = count, at
    return most, ends_at
