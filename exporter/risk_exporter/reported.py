"""Figures that only the runtime can tell: pure, and only of what it did tell.

They fail towards danger like those of :mod:`risk_exporter.measures`: where a base is zero or
below, any amount is infinitely much of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from risk_exporter.named import NOTHING, Named
from risk_exporter.ratios import ratio, ratios
from risk_exporter.value_at_risk import Floats
from risk_policy.contracts.snapshot import Position, Snapshot, Strategy, Venue


@dataclass(frozen=True, slots=True, eq=False)
class Reported:
    """What a runtime told, as figures; None or without names where it told nothing."""

    consecutive_losses: int | None
    inference_p95_seconds: float | None
    inference_p99_seconds: float | None
    position_risk_ratio: Named
    position_age_periods: Named
    position_atr_ratio: Named
    spread_ratio: Named
    atr_baseline_ratio: Named
    strategy_usage_ratio: Named
    venue_usage_ratio: Named
    trade_edge_ratio: Named
    budget_usage_ratio: Named
    websocket_lag_seconds: Named
    order_placement_seconds: Named
    order_fill_seconds: Named


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """The open positions as arrays, in the order of ``symbols``."""

    symbols: tuple[str, ...]
    quantity: Floats
    mark: Floats
    average: Floats


def reported(snapshot: Snapshot, positions: Sequence[Position], holdings: Holdings) -> Reported:
    """The figures of what a runtime told.

    Args:
        positions: the open ones.
        holdings: the same as arrays.
    """
    symbols = holdings.symbols
    late, markets = snapshot.latencies, snapshot.markets
    traded = [market.symbol for market in markets]
    venues = [venue.name for venue in late.venues]
    return Reported(
        consecutive_losses=snapshot.consecutive_losses,
        inference_p95_seconds=late.inference_p95_seconds,
        inference_p99_seconds=late.inference_p99_seconds,
        position_risk_ratio=position_risk(
            [position.stop for position in positions], holdings, snapshot.equity
        ),
        position_age_periods=Named.told(symbols, [x.held_periods for x in positions]),
        position_atr_ratio=Named.told(symbols, [x.atr_ratio for x in positions]),
        spread_ratio=Named.told(traded, [x.spread_ratio for x in markets]),
        atr_baseline_ratio=Named.told(traded, [x.atr_baseline_ratio for x in markets]),
        strategy_usage_ratio=_usage(snapshot.strategies),
        venue_usage_ratio=_usage(snapshot.venues),
        trade_edge_ratio=Named.told(
            [x.name for x in snapshot.strategies], [x.edge for x in snapshot.strategies]
        ),
        budget_usage_ratio=Named.of((x.name, ratio(x.spent, x.limit)) for x in snapshot.budgets),
        websocket_lag_seconds=Named.told(venues, [x.websocket_lag_seconds for x in late.venues]),
        order_placement_seconds=Named.told(
            venues, [x.order_placement_seconds for x in late.venues]
        ),
        order_fill_seconds=Named.told(venues, [x.order_fill_seconds for x in late.venues]),
    )


def position_risk(stops: Sequence[float | None], holdings: Holdings, equity: float) -> Named:
    """What a position loses of its cost if its stop is hit, as a share of equity.

    A stop that locks a profit in risks nothing. One that the market is beyond already protects
    nothing: the position would be closed at the market's price then, so that counts.
    """
    if not any(stops):
        return NOTHING
    stop: Floats = np.array(stops, dtype=np.float64)  # None becomes NaN
    quantity, mark = holdings.quantity, holdings.mark
    with np.errstate(over="ignore", invalid="ignore"):
        exit_price = np.where(quantity > 0, np.minimum(stop, mark), np.maximum(stop, mark))
        loss = np.maximum(quantity * (holdings.average - exit_price), 0.0)
    return Named.where(~np.isnan(stop), holdings.symbols, ratios(loss, equity))


def _usage(capped: Iterable[Strategy | Venue]) -> Named:
    return Named.of(
        (item.name, ratio(abs(item.exposure), item.limit))
        for item in capped
        if item.exposure is not None and item.limit is not None
    )
