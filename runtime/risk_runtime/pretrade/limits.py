"""The policy's part in the checks, as plain floats: percent become ratios here, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from risk_policy import Policy


@dataclass(frozen=True, slots=True)
class PreTradeLimits:
    """Thresholds of the pre-trade checks. Ratios are of equity unless they say otherwise.

    Attributes:
        position_max_ratio: largest notional of a position without a limit of its own.
        position_usage_ratio: how much of its limit a position may use.
        exposure_max_ratio: all that is held and ordered, of an account without its own limit.
        position_risk_ratio: what a position loses of its cost if its stop is hit.
        min_edge_ratio: least profit expected after costs, of the notional.
        round_trip_ratio: fees and slippage of opening and closing, of the notional.
        impact_ratio: impact of both sides, of the notional, for an order of ``impact_notional``.
        price_collar_ratio: how much worse than the market a price may be, of the market's.
        resting_collar_ratio: how far away from the market an order may rest, of its price.
        book_stale_seconds: an older book proves nothing.
    """

    position_max_ratio: float
    position_usage_ratio: float
    asset_max_ratio: float
    sector_max_ratio: float
    exposure_max_ratio: float
    risk_per_trade_ratio: float
    position_risk_ratio: float
    require_stop: bool
    require_edge: bool
    min_edge_ratio: float
    round_trip_ratio: float
    impact_ratio: float
    impact_notional: float
    order_max_ratio: float
    price_collar_ratio: float
    resting_collar_ratio: float
    book_stale_seconds: float
    price_stale_seconds: float
    orders_max: int
    orders_window_seconds: float
    duplicate_seconds: float
    disabled_symbols: frozenset[str]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        """What a policy says; thresholds that alerts watch too are the alerts' own."""
        alerting = policy.alerting
        own, costs = alerting.pre_trade, alerting.pre_trade.costs
        thresholds = alerting.thresholds
        exposure_max_pct = min(own.exposure_max_pct, thresholds.exposure.gross_breach_pct)
        return cls(
            position_max_ratio=alerting.limits.position_max_pct / 100,
            position_usage_ratio=thresholds.position.max_size_breach_pct / 100,
            asset_max_ratio=thresholds.concentration.single_asset_breach_pct / 100,
            sector_max_ratio=thresholds.concentration.sector_breach_pct / 100,
            exposure_max_ratio=exposure_max_pct / 100,
            risk_per_trade_ratio=own.risk_per_trade_pct / 100,
            position_risk_ratio=thresholds.position.risk_breach_pct / 100,
            require_stop=own.require_stop,
            require_edge=own.require_edge,
            min_edge_ratio=thresholds.trade.min_edge_pct / 100,
            round_trip_ratio=2 * (costs.fee_pct + costs.slippage_pct) / 100,
            impact_ratio=2 * costs.impact_pct / 100,
            impact_notional=costs.impact_notional,
            order_max_ratio=own.order_max_pct / 100,
            price_collar_ratio=own.price_collar_pct / 100,
            resting_collar_ratio=own.resting_collar_pct / 100,
            book_stale_seconds=alerting.system.snapshot_stale_seconds,
            price_stale_seconds=own.price_stale_seconds,
            orders_max=own.orders_max,
            orders_window_seconds=own.orders_window_seconds,
            duplicate_seconds=own.duplicate_seconds,
            disabled_symbols=frozenset(own.disabled_symbols),
        )
