"""Risk measures of one snapshot: pure, vectorised, and failing towards danger.

Invariant: a ratio that a limit watches is never NaN because the account is in trouble. Where
equity (or another base) is zero or below, any amount is infinitely much of it and nothing is
none of it; a wiped-out account is a full drawdown. Only value at risk can be NaN, while nothing
that is held has the past closes for a figure; its use of the limit is not even then, once equity
is gone. What of the book the figure leaves out for want of closes is a figure of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from risk_exporter.ratios import ratio, ratios
from risk_exporter.reported import Holdings, Reported, reported
from risk_exporter.value_at_risk import Conventions, Floats, Sample, book_tail
from risk_policy.contracts.snapshot import Position, Snapshot

Codes = NDArray[np.intp]


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
    equity_day_high: float
    trading_day: str


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """The figures of one account at one snapshot.

    The arrays are in the order of ``layout.symbols``, ``layout.asset_names`` and
    ``layout.sector_names``. Positions of quantity zero are closed and do not appear. What only
    the runtime can tell stands in ``reported``; ``margin_level_ratio`` is None unless it tells
    the margin in use.
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
    equity_day_high: float
    drawdown_ratio: float
    intraday_drawdown_ratio: float
    daily_pnl_ratio: float
    positions_open: int
    exposure_gross: float
    exposure_net: float
    exposure_gross_ratio: float
    exposure_net_ratio: float
    leverage_ratio: float
    margin_level_ratio: float | None
    var_ratio: float
    cvar_ratio: float
    var_limit_usage_ratio: float
    cvar_limit_usage_ratio: float
    var_sample_count: int
    var_covered_ratio: float
    var_uncovered_positions: int
    layout: Layout
    position_notional: Floats
    position_size_ratio: Floats
    position_return_ratio: Floats
    asset_concentration_ratio: Floats
    sector_concentration_ratio: Floats
    reported: Reported


def open_positions(snapshot: Snapshot) -> tuple[Position, ...]:
    """The positions that hold anything."""
    return tuple([position for position in snapshot.positions if position.quantity != 0])


def measure(
    snapshot: Snapshot,
    reference: Reference,
    sample: Sample,
    conventions: Conventions,
    previous: Layout | None = None,
) -> Measures:
    """Every figure of a snapshot.

    Args:
        reference: peak, day start and day high, the snapshot's own equity already counted in.
        sample: past daily returns; which open positions they cover, in order.
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
        tail = book_tail(sample, notional, conventions)
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
        equity_day_high=reference.equity_day_high,
        drawdown_ratio=account_drawdown(equity, reference, holds_anything=gross > 0),
        intraday_drawdown_ratio=intraday_drawdown(equity, reference, holds_anything=gross > 0),
        daily_pnl_ratio=daily_pnl(equity, reference),
        positions_open=len(positions),
        exposure_gross=gross,
        exposure_net=net,
        exposure_gross_ratio=ratio(gross, equity),
        exposure_net_ratio=ratio(net, equity),
        leverage_ratio=leverage(snapshot.leverage, gross, equity),
        margin_level_ratio=margin_level(equity, snapshot.margin_used),
        var_ratio=ratio(tail.var, equity),
        cvar_ratio=ratio(tail.cvar, equity),
        var_limit_usage_ratio=limit_usage(tail.var, equity, gross, conventions.var_max_ratio),
        cvar_limit_usage_ratio=limit_usage(tail.cvar, equity, gross, conventions.cvar_max_ratio),
        var_sample_count=tail.samples,
        var_covered_ratio=covered_ratio(absolute, sample),
        var_uncovered_positions=len(positions) - int(sample.covered.sum()),
        layout=layout,
        position_notional=notional,
        position_size_ratio=ratios(absolute, limit),
        position_return_ratio=position_return,
        asset_concentration_ratio=ratios(by_asset, equity),
        sector_concentration_ratio=ratios(by_sector, equity),
        reported=reported(snapshot, positions, Holdings(layout.symbols, quantity, mark, average)),
    )


def _sums(codes: Codes, amounts: Floats, names: tuple[str, ...]) -> Floats:
    return np.bincount(codes, amounts, len(names)).astype(np.float64)


def daily_pnl(equity: float, reference: Reference) -> float:
    """Change of equity since the day began, as a share of what it began with."""
    return ratio(equity - reference.equity_day_start, reference.equity_day_start)


def account_drawdown(equity: float, reference: Reference, *, holds_anything: bool) -> float:
    """The drawdown, or 0 where there neither is nor ever was anything that could be lost."""
    return _fall(equity, reference.equity_peak, reference, holds_anything)


def intraday_drawdown(equity: float, reference: Reference, *, holds_anything: bool) -> float:
    """The same from today's highest equity, that at the start of the day included."""
    return _fall(equity, reference.equity_day_high, reference, holds_anything)


def _fall(equity: float, top: float, reference: Reference, holds_anything: bool) -> float:  # noqa: FBT001
    funded = equity != 0 or reference.equity_peak > 0 or holds_anything
    return drawdown(equity, top) if funded else 0.0


def drawdown(equity: float, peak: float) -> float:
    """Fall from the peak in [0, inf). An account without equity is a full drawdown, or more."""
    if equity <= 0:
        return max(ratio(peak - equity, peak), 1.0) if peak > 0 else 1.0
    return (peak - equity) / peak


def limit_usage(loss: float, equity: float, gross: float, max_ratio: float) -> float:
    """A tail's loss against its limit. Without equity, whatever is held is beyond the limit."""
    if equity <= 0 and gross > 0:
        return math.inf
    return ratio(loss, max_ratio * equity)


def margin_level(equity: float, margin_used: float | None) -> float | None:
    """Equity divided by the margin in use; endless where none is, None where nobody tells."""
    if margin_used is None:
        return None
    return equity / margin_used if margin_used else math.inf


def leverage(told: float | None, gross: float, equity: float) -> float:
    """As the venue counts it, else gross exposure over equity; infinite once equity is gone."""
    if told is None or (equity <= 0 and gross > 0):
        return ratio(gross, equity)
    return told


def covered_ratio(absolute: Floats, sample: Sample) -> float:
    """Share of the gross notional that value at risk is computed over; 1 if nothing is left out."""
    if sample.covered.all():
        return 1.0
    gross = float(absolute.sum())
    return float(absolute[sample.covered].sum()) / gross if gross > 0 else 0.0
