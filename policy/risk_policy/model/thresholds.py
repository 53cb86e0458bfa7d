"""Thresholds of the limits, and what their percentages refer to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from risk_policy.model.base import (
    AtMost,
    Count,
    LossPercent,
    Multiple,
    Number,
    PositiveSeconds,
    Section,
    SharePercent,
    SmallPercent,
    UsagePercent,
    WholeNumber,
)


class PositionThresholds(Section):
    """Per position.

    Attributes:
        max_size_warning_pct: size, % of the position's limit.
        loss_warning_pct: open loss, % of what the position cost.
        risk_warning_pct: loss if the stop is hit, % of equity.
        without_stop_seconds: how long a position may be without a stop.
        max_hold_periods: trading periods after which a position has to be closed.
        volatility_exit_expansion: average true range, multiple of that at entry.
        volatility_exit_contraction: the same, on the lower side.
    """

    max_size_warning_pct: UsagePercent = 80
    max_size_breach_pct: UsagePercent = 100
    loss_warning_pct: LossPercent = 5
    loss_critical_pct: LossPercent = 10
    risk_warning_pct: LossPercent = 2
    risk_breach_pct: LossPercent = 5
    without_stop_seconds: Annotated[
        PositiveSeconds, AtMost(86_400, "a day without a stop is no stop")
    ] = 60
    max_hold_periods: Count = 48
    volatility_exit_expansion: Multiple = 2
    volatility_exit_contraction: Multiple = 0.5


class PortfolioThresholds(Section):
    """Per account: loss since the last close, tail risk against its limit, drawdown.

    ``usage_*`` is exposure of a strategy or at a venue, % of its limit.
    """

    daily_loss_warning_pct: LossPercent = 2
    daily_loss_breach_pct: LossPercent = 5
    var_warning_pct: UsagePercent = 80
    var_breach_pct: UsagePercent = 100
    cvar_warning_pct: UsagePercent = 80
    cvar_breach_pct: UsagePercent = 100
    max_drawdown_warning_pct: LossPercent = 10
    max_drawdown_critical_pct: LossPercent = 15
    max_drawdown_emergency_pct: LossPercent = 20
    usage_warning_pct: UsagePercent = 80
    usage_breach_pct: UsagePercent = 100


class ConcentrationThresholds(Section):
    """Share of equity held in one asset, in one sector."""

    single_asset_warning_pct: SharePercent = 25
    single_asset_breach_pct: SharePercent = 40
    sector_warning_pct: SharePercent = 50
    sector_breach_pct: SharePercent = 70


class ExposureThresholds(Section):
    """Per account: exposure in % of equity, leverage as a multiple, margin level in %.

    The margin level is equity divided by the margin in use; the lower, the worse.
    """

    gross_warning_pct: SharePercent = 100
    gross_breach_pct: SharePercent = 150
    net_warning_pct: SharePercent = 80
    net_breach_pct: SharePercent = 100
    leverage_warning: Multiple = 2
    leverage_breach: Multiple = 3
    margin_warning_pct: SharePercent = 200
    margin_critical_pct: SharePercent = 150


class TradeThresholds(Section):
    """Per trade: the least profit expected after costs, % of its notional."""

    min_edge_pct: SmallPercent = 0.1


class BudgetThresholds(Section):
    """Cost of data and API calls, % of their budget."""

    usage_warning_pct: UsagePercent = 80
    usage_breach_pct: UsagePercent = 100


class Thresholds(Section):
    """``[alerting.thresholds.*]``."""

    position: PositionThresholds = PositionThresholds()
    portfolio: PortfolioThresholds = PortfolioThresholds()
    concentration: ConcentrationThresholds = ConcentrationThresholds()
    exposure: ExposureThresholds = ExposureThresholds()
    trade: TradeThresholds = TradeThresholds()
    budget: BudgetThresholds = BudgetThresholds()


class Limits(Section):
    """``[alerting.limits]``: the limits that usage percentages are measured against.

    Attributes:
        position_max_pct: largest notional of one position, % of equity, unless the snapshot
            names a limit of its own.
        var_max_pct: largest value at risk, % of equity.
        cvar_max_pct: largest expected loss beyond value at risk, % of equity.
    """

    position_max_pct: SharePercent = 20
    var_max_pct: LossPercent = 5
    cvar_max_pct: LossPercent = 8


class Measures(Section):
    """``[alerting.measures]``: conventions of the risk measures.

    Attributes:
        var_confidence_pct: confidence of value at risk, %.
        var_horizon_days: horizon in trading days; scaled by the square root of time.
        var_window_days: trading days of history.
        var_min_samples: below this many returns the figure is NaN.
    """

    var_confidence_pct: Annotated[Number, Field(ge=50.1, lt=100)] = 95
    var_horizon_days: Annotated[WholeNumber, Field(ge=1, le=250)] = 1
    var_window_days: Annotated[WholeNumber, Field(ge=20, le=10_000)] = 250
    var_min_samples: Count = 60
