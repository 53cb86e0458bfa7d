"""Thresholds of the limits, and what their percentages refer to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from risk_policy.model.base import (
    Count,
    LossPercent,
    Number,
    Section,
    SharePercent,
    UsagePercent,
    WholeNumber,
)


class PositionThresholds(Section):
    """Per position: size against its limit, open loss against its cost."""

    max_size_warning_pct: UsagePercent = 80
    max_size_breach_pct: UsagePercent = 100
    loss_warning_pct: LossPercent = 5
    loss_critical_pct: LossPercent = 10


class PortfolioThresholds(Section):
    """Per account: loss since the last close, value at risk against its limit, drawdown."""

    daily_loss_warning_pct: LossPercent = 2
    daily_loss_breach_pct: LossPercent = 5
    var_warning_pct: UsagePercent = 80
    var_breach_pct: UsagePercent = 100
    max_drawdown_warning_pct: LossPercent = 10
    max_drawdown_critical_pct: LossPercent = 15
    max_drawdown_emergency_pct: LossPercent = 20


class ConcentrationThresholds(Section):
    """Share of equity held in one asset, in one sector."""

    single_asset_warning_pct: SharePercent = 25
    single_asset_breach_pct: SharePercent = 40
    sector_warning_pct: SharePercent = 50
    sector_breach_pct: SharePercent = 70


class Thresholds(Section):
    """``[alerting.thresholds.*]``."""

    position: PositionThresholds = PositionThresholds()
    portfolio: PortfolioThresholds = PortfolioThresholds()
    concentration: ConcentrationThresholds = ConcentrationThresholds()


class Limits(Section):
    """``[alerting.limits]``: the limits that usage percentages are measured against.

    Attributes:
        position_max_pct: largest notional of one position, % of equity, unless the snapshot
            names a limit of its own.
        var_max_pct: largest value at risk, % of equity.
    """

    position_max_pct: SharePercent = 20
    var_max_pct: LossPercent = 5


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
