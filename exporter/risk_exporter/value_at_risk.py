"""Value at risk of a book as it is held now, by historical simulation.

Invariant: a position without closes never silences the figure of the others. Value at risk is
computed over the **covered** positions, those whose symbol has past closes enough for
``var_min_samples`` returns of its own; the rest is left out of the sample and of the sum, so a
fresh listing neither empties nor shortens the sample of the whole book. What is left out is told
by ``risk_var_covered_ratio`` and ``risk_var_uncovered_positions``, never by the figure itself,
which then is the risk of a part of the book: neither a lower nor an upper bound of the whole,
since what is left out may be a hedge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk_policy import Policy

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Conventions:
    """What the figures are measured against, and how value at risk is taken."""

    position_max_ratio: float
    var_max_ratio: float
    cvar_max_ratio: float
    var_confidence_pct: float
    var_horizon_days: int
    var_min_samples: int

    @classmethod
    def of(cls, policy: Policy) -> Conventions:
        """The conventions of a policy."""
        limits, how = policy.alerting.limits, policy.alerting.measures
        return cls(
            position_max_ratio=limits.position_max_pct / 100,
            var_max_ratio=limits.var_max_pct / 100,
            cvar_max_ratio=limits.cvar_max_pct / 100,
            var_confidence_pct=how.var_confidence_pct,
            var_horizon_days=how.var_horizon_days,
            var_min_samples=how.var_min_samples,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The past that a book is held against.

    Attributes:
        returns: past daily returns, one row a day; one column for each covered position, or,
            while none is covered, for every position, which tells how far the sample has grown.
        covered: for each position in order, whether it has a column.
    """

    returns: Floats
    covered: Flags


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Value at risk and the expected loss beyond it, in the account's currency."""

    var: float
    cvar: float
    samples: int


def book_tail(sample: Sample, notional: Floats, conventions: Conventions) -> TailRisk:
    """The tail of the covered part of a book; NaN if there is a book and no such part."""
    if len(notional) and not sample.covered.any():
        return TailRisk(math.nan, math.nan, len(sample.returns))
    return historical_tail(sample.returns, notional[sample.covered], conventions)


def historical_tail(returns: Floats, notional: Floats, conventions: Conventions) -> TailRisk:
    """Value at risk by historical simulation of the book as it is held now.

    The book's profit on a past day is the sum of today's notionals times that day's asset
    returns (Jorion, Value at Risk, 3rd ed., ch. 10: historical simulation). VaR is the loss at
    the tail quantile, interpolated between order statistics as in definition 7 of Hyndman and
    Fan (1996), which is numpy's default. CVaR is the mean of the floor((n - 1) * tail) + 1
    worst profits, the observed ones at or below that quantile (Rockafellar and Uryasev, 2002).
    Both are what empyrical computes, with the sign of a loss, and never below zero: a tail
    that still gains risks nothing. A longer horizon scales both by the square root of time
    (Basel Committee, Amendment to the Capital Accord, 1996, B.4).

    A flat book risks nothing and needs no sample. With fewer than ``var_min_samples`` returns
    the figures are NaN; with returns that are beyond all numbers they are infinite.
    """
    samples = len(returns)
    if not len(notional):
        return TailRisk(0.0, 0.0, samples)
    if samples < max(conventions.var_min_samples, 1):
        return TailRisk(math.nan, math.nan, samples)
    with np.errstate(over="ignore", invalid="ignore"):
        profit = returns @ notional
    if not np.isfinite(profit).all():
        return TailRisk(math.inf, math.inf, samples)
    tail_pct = 100 - conventions.var_confidence_pct
    # The rounding keeps a whole position whole: 0.05 * 60 must not end just below 3.
    worst = int(round((samples - 1) * tail_pct / 100, 9)) + 1
    var = -float(np.percentile(profit, tail_pct))
    cvar = -float(np.partition(profit, worst - 1)[:worst].mean())
    scale = math.sqrt(conventions.var_horizon_days)
    return TailRisk(max(var, 0.0) * scale, max(cvar, 0.0) * scale, samples)
