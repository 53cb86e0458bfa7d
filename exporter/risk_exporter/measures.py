"""Risk measures of one snapshot: pure, vectorised, and failing towards danger.

Invariant: a ratio that a limit watches is never NaN because the account is in trouble. Where
equity (or another base) is zero or below, any amount is infinitely much of it and nothing is
none of it; a wiped-out account is a full drawdown. Only value at risk can be NaN, while its
sample is too small for a figure; its use of the limit is not even then, once equity is gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from risk_policy import Policy
from risk_policy.contracts.snapshot import Position, Snapshot

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Conventions:
    """What the figures are measured against, and how value at risk is taken."""

    position_max_ratio: float
    var_max_ratio: float
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
            var_confidence_pct=how.var_confidence_pct,
            var_horizon_days=how.var_horizon_days,
            var_min_samples=how.var_min_samples,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which symbols, assets and sectors a book holds, in which order.

    It stays the same object from snapshot to snapshot while they stay the same, so that
    whatever depends on names alone can be kept.
    """

    symbols: tuple[str, ...]
    assets: tuple[str, ...]
    sectors: tuple[str, ...]
    asset_names: tuple[str, ...]
    asset_codes: Codes
    sector_names: tuple[str, ...]
    sector_codes: Codes

    @classmethod
    def of(cls, positions: Sequence[Position], previous: Layout | None = None) -> Layout:
        """The layout of some positions: the previous one, if it is the same."""
        symbols = tuple([position.symbol for position in positions])
        assets = tuple([position.asset for position in positions])
        sectors = tuple([position.sector for position in positions])
        if previous is not None and (symbols, assets, sectors) == (
            previous.symbols,
            previous.assets,
            previous.sectors,
        ):
            return previous
        asset_names, asset_codes = _coded(assets)
        sector_names, sector_codes = _coded(sectors)
        return cls(
            symbols, assets, sectors, asset_names, asset_codes, sector_names, sector_codes
        )  # fmt: skip


def _coded(names: tuple[str, ...]) -> tuple[tuple[str, ...], Codes]:
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(name, len(numbers)) for name in names]
    return tuple(numbers), np.array(codes, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Reference:
    """What of the past a snapshot is measured against."""

    equity_peak: float
    equity_day_start: float
    trading_day: str


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """The figures of one account at one snapshot.

    The arrays are in the order of ``layout.symbols``, ``layout.asset_names`` and
    ``layout.sector_names``. Positions of quantity zero are closed and do not appear.
    """

    account: str
    currency: str
    taken_at: datetime
    market_time: datetime
    trading_day: str
    equity: float
    cash: float
    equity_peak: float
    equity_day_start: float
    drawdown_ratio: float
    daily_pnl_ratio: float
    positions_open: int
    exposure_gross: float
    exposure_net: float
    exposure_gross_ratio: float
    exposure_net_ratio: float
    var_ratio: float
    cvar_ratio: float
    var_limit_usage_ratio: float
    var_sample_count: int
    layout: Layout
    position_notional: Floats
    position_size_ratio: Floats
    position_return_ratio: Floats
    asset_concentration_ratio: Floats
    sector_concentration_ratio: Floats


def open_positions(snapshot: Snapshot) -> tuple[Position, ...]:
    """The positions that hold anything."""
    return tuple([position for position in snapshot.positions if position.quantity != 0])


def measure(
    snapshot: Snapshot,
    reference: Reference,
    returns: Floats,
    conventions: Conventions,
    previous: Layout | None = None,
) -> Measures:
    """Every figure of a snapshot.

    Args:
        reference: peak and day start, the snapshot's own equity already counted in.
        returns: past daily returns, one row a day, one column for each open position in order.
        previous: the layout of the last snapshot, to be kept if nothing changed.
    """
    positions = open_positions(snapshot)
    layout = Layout.of(positions, previous)
    quantity = np.array([position.quantity for position in positions], dtype=np.float64)
    mark = np.array([position.mark for position in positions], dtype=np.float64)
    average = np.array([position.average_price for position in positions], dtype=np.float64)
    own_limit = np.array([position.max_notional or math.nan for position in positions], np.float64)
    equity = snapshot.equity

    with np.errstate(over="ignore", invalid="ignore"):
        notional = quantity * mark
        absolute = np.abs(notional)
        gross, net = float(absolute.sum()), float(notional.sum())
        limit = np.where(np.isnan(own_limit), conventions.position_max_ratio * equity, own_limit)
        by_asset = _sums(layout.asset_codes, absolute, layout.asset_names)
        by_sector = _sums(layout.sector_codes, absolute, layout.sector_names)
        tail = historical_tail(returns, notional, conventions)
        position_return = np.sign(quantity) * (mark / average - 1.0)

    return Measures(
        account=snapshot.account,
        currency=snapshot.currency,
        taken_at=snapshot.taken_at,
        market_time=snapshot.market_time,
        trading_day=reference.trading_day,
        equity=equity,
        cash=snapshot.cash,
        equity_peak=reference.equity_peak,
        equity_day_start=reference.equity_day_start,
        drawdown_ratio=drawdown(equity, reference.equity_peak)
        if _funded(equity, reference, gross)
        else 0.0,
        daily_pnl_ratio=ratio(equity - reference.equity_day_start, reference.equity_day_start),
        positions_open=len(positions),
        exposure_gross=gross,
        exposure_net=net,
        exposure_gross_ratio=ratio(gross, equity),
        exposure_net_ratio=ratio(net, equity),
        var_ratio=ratio(tail.var, equity),
        cvar_ratio=ratio(tail.cvar, equity),
        var_limit_usage_ratio=var_limit_usage(tail.var, equity, gross, conventions.var_max_ratio),
        var_sample_count=tail.samples,
        layout=layout,
        position_notional=notional,
        position_size_ratio=ratios(absolute, limit),
        position_return_ratio=position_return,
        asset_concentration_ratio=ratios(by_asset, equity),
        sector_concentration_ratio=ratios(by_sector, equity),
    )


def _sums(codes: Codes, amounts: Floats, names: tuple[str, ...]) -> Floats:
    return np.bincount(codes, amounts, len(names)).astype(np.float64)


def ratios(amounts: Floats, base: Floats | float) -> Floats:
    """Amounts divided by a base; where it is zero or below, infinite unless the amount is 0."""
    positive = np.asarray(base, dtype=np.float64) > 0
    with np.errstate(over="ignore", invalid="ignore"):
        divided = amounts / np.where(positive, base, 1.0)
    bottomless = np.where(amounts == 0, amounts, np.copysign(np.inf, amounts))
    return np.where(positive, divided, bottomless)


def ratio(amount: float, base: float) -> float:
    """One amount divided by a base, by the rule of :func:`ratios`."""
    if base > 0:
        return amount / base
    return amount if amount == 0 or math.isnan(amount) else math.copysign(math.inf, amount)


def _funded(equity: float, reference: Reference, gross: float) -> bool:
    """Whether there is, or ever was, anything that could have been lost."""
    return equity != 0 or reference.equity_peak > 0 or gross > 0


def drawdown(equity: float, peak: float) -> float:
    """Fall from the peak in [0, inf). An account without equity is a full drawdown, or more."""
    if equity <= 0:
        return max(ratio(peak - equity, peak), 1.0) if peak > 0 else 1.0
    return (peak - equity) / peak


def var_limit_usage(var: float, equity: float, gross: float, var_max_ratio: float) -> float:
    """Value at risk against its limit. Without equity, whatever is held is beyond the limit."""
    if equity <= 0 and gross > 0:
        return math.inf
    return ratio(var, var_max_ratio * equity)


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Value at risk and the expected loss beyond it, in the account's currency."""

    var: float
    cvar: float
    samples: int


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
