"""Whether exceptions are as many, and as independent, as value at risk says they are. Pure.

An exception is a day that lost more than the value at risk that was forecast for it. At a level of
confidence ``1 - p`` each day should be one with probability ``p``, whatever happened before.

* Unconditional coverage, the proportion of failures: P. Kupiec, "Techniques for Verifying the
  Accuracy of Risk Measurement Models", Journal of Derivatives 3 (1995), 73-84. ``LRuc`` is
  chi-square with one degree of freedom.
* Independence and conditional coverage: P. Christoffersen, "Evaluating Interval Forecasts",
  International Economic Review 39 (1998), 841-862, against a first-order Markov chain. ``LRind``
  has one degree of freedom; ``LRcc = LRuc + LRind``, as P. Jorion, Value at Risk, 3rd ed. (2007),
  ch. 6.2 has it, two.

Invariant: no figure comes out of nothing. Where the data cannot tell, a test has no statistic and
no p-value, and says why. ``n`` counts days and ``x`` exceptions; statistics have no unit and
p-values lie in [0, 1]. The chi-square distribution is exact for long series only, so beside it
stands the binomial probability of so many exceptions or more, which is exact for any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: A test is said to reject below this p-value, as Kupiec and Christoffersen do.
SIGNIFICANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """The outcome of a test.

    Attributes:
        statistic: None where nothing can be told; ``why_not`` says why.
        p_value: the chance of a statistic at least as large, if the model is right.
    """

    statistic: float | None
    p_value: float | None
    why_not: str = ""

    @property
    def rejects(self) -> bool | None:
        """Whether the model is refuted; None where nothing can be told."""
        return None if self.p_value is None else self.p_value < SIGNIFICANCE


@dataclass(frozen=True, slots=True)
class Transitions:
    """How often what followed what: ``calm_hit`` is an exception after a day without one."""

    calm_calm: int
    calm_hit: int
    hit_calm: int
    hit_hit: int


def chi_square_tail(statistic: float, degrees: int) -> float:
    """The chance that a chi-square variable of 1 or 2 degrees of freedom exceeds a value."""
    if statistic <= 0:
        return 1.0
    if degrees == 1:
        return math.erfc(math.sqrt(statistic / 2))
    if degrees == 2:
        return math.exp(-statistic / 2)
    raise ValueError(f"{degrees} degrees of freedom; 1 and 2 have closed forms")


def least_days(probability: float) -> int:
    """From how many days on one exception is to be expected; fewer tell nothing at all."""
    # The rounding keeps 1 / 0.05 at 20.
    return math.ceil(round(1 / probability, 9))


def kupiec(days: int, exceptions: int, probability: float) -> LikelihoodRatio:
    """Are exceptions as frequent as they should be?"""
    _check(days, exceptions, probability)
    if days < least_days(probability):
        return LikelihoodRatio(
            None,
            None,
            f"{days} day{'' if days == 1 else 's'} on which an exception has a chance of "
            f"{probability:.4g}: at least {least_days(probability)} are needed to expect one",
        )
    expected = _log_likelihood(days - exceptions, exceptions, probability)
    seen = _log_likelihood(days - exceptions, exceptions, exceptions / days)
    return _ratio(2 * (seen - expected), 1)


def transitions(runs: Iterable[Sequence[bool]]) -> Transitions:
    """Counts what followed what. Each run holds days that follow on each other, in order."""
    counted = {(before, after): 0 for before in (False, True) for after in (False, True)}
    for run in runs:
        for before, after in pairwise(run):
            counted[bool(before), bool(after)] += 1
    return Transitions(
        counted[False, False], counted[False, True], counted[True, False], counted[True, True]
    )


def independence(seen: Transitions) -> LikelihoodRatio:
    """Do exceptions come alone, or does one make the next more likely?"""
    calm, hit = seen.calm_calm + seen.calm_hit, seen.hit_calm + seen.hit_hit
    calm_after, hit_after = seen.calm_calm + seen.hit_calm, seen.calm_hit + seen.hit_hit
    if max(hit, hit_after) < 2:
        return LikelihoodRatio(None, None, "fewer than two exceptions: none can follow another")
    if hit == 0 or hit_after == 0:
        return LikelihoodRatio(None, None, "exceptions stand at gaps only: nothing shows a cluster")
    if calm == 0 or calm_after == 0:
        return LikelihoodRatio(None, None, "every day is an exception: none stands out")
    apart = _log_likelihood(seen.calm_calm, seen.calm_hit, seen.calm_hit / calm)
    apart += _log_likelihood(seen.hit_calm, seen.hit_hit, seen.hit_hit / hit)
    together = _log_likelihood(calm_after, hit_after, hit_after / (calm + hit))
    return _ratio(2 * (apart - together), 1)


def conditional(coverage: LikelihoodRatio, independent: LikelihoodRatio) -> LikelihoodRatio:
    """Both at once: as many as they should be, and each by itself."""
    for part in (coverage, independent):
        if part.statistic is None:
            return LikelihoodRatio(None, None, part.why_not)
    assert coverage.statistic is not None
    assert independent.statistic is not None
    return _ratio(coverage.statistic + independent.statistic, 2)


def at_most(days: int, exceptions: int, probability: float) -> float:
    """The exact chance of so many exceptions or fewer."""
    _check(days, exceptions, probability)
    return min(math.fsum(_binomial(days, k, probability) for k in range(exceptions + 1)), 1.0)


def at_least(days: int, exceptions: int, probability: float) -> float:
    """The exact chance of so many exceptions or more."""
    _check(days, exceptions, probability)
    # Summed by itself, not taken from one: a small chance keeps its digits.
    chances = (_binomial(days, k, probability) for k in range(exceptions, days + 1))
    return min(math.fsum(chances), 1.0)


def _binomial(days: int, exceptions: int, probability: float) -> float:
    ways = math.lgamma(days + 1) - math.lgamma(exceptions + 1) - math.lgamma(days - exceptions + 1)
    return math.exp(ways + _log_likelihood(days - exceptions, exceptions, probability))


def _log_likelihood(misses: int, hits: int, probability: float) -> float:
    """Of independent days; what did not happen is certain enough: 0 log 0 is 0."""
    without = misses * math.log1p(-probability) if misses else 0.0
    return without + (hits * math.log(probability) if hits else 0.0)


def _ratio(statistic: float, degrees: int) -> LikelihoodRatio:
    exact = max(statistic, 0.0)  # a maximum is never below; its rounding may be
    return LikelihoodRatio(exact, chi_square_tail(exact, degrees))


def _check(days: int, exceptions: int, probability: float) -> None:
    if not 0 < probability < 1:
        raise ValueError(f"probability is {probability}; it must lie between 0 and 1")
    if not 0 <= exceptions <= days:
        raise ValueError(f"{exceptions} exceptions on {days} days; as many as days is the most")
