"""All tests over one sequence of observations. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from riskwarden.var_backtest.coverage import (
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
