"""Every limit and its alerts: what is watched, where the threshold stands, what follows.

Adding a limit touches one of these tables, the policy and a test; rules, routes, runbooks and
generated tests follow from it.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits.breakers import (
    ATR_SPIKE,
    CONSECUTIVE_LOSSES,
    INFERENCE_P95,
    INFERENCE_P99,
    INTRADAY_DRAWDOWN,
    ORDER_FILL,
    ORDER_PLACEMENT,
    PRICE_MOVE,
    SPREAD,
    WEBSOCKET_LAG,
)
from risk_policy.catalogue.limits.limit import AlertSpec, Kind, Limit, Side, Unit
from risk_policy.catalogue.limits.portfolio import (
    COST_BUDGET,
    CVAR,
    DAILY_LOSS,
    DRAWDOWN,
    GROSS_EXPOSURE,
    LEVERAGE,
    MARGIN,
    NET_EXPOSURE,
    VAR,
)
from risk_policy.catalogue.limits.position import (
    POSITION_LOSS,
    TIME_EXIT,
    VOLATILITY_CONTRACTION,
    VOLATILITY_EXPANSION,
    WITHOUT_STOP,
)
from risk_policy.catalogue.limits.pre_trade import (
    ASSET_CONCENTRATION,
    POSITION_SIZE,
    SECTOR_CONCENTRATION,
    STRATEGY_USAGE,
    TRADE_EDGE,
    TRADE_RISK,
    VENUE_USAGE,
)

#: In the order of the roadmap's layers. Names are unique, and so are alert names.
LIMITS: Final = (
    POSITION_SIZE,
    ASSET_CONCENTRATION,
    SECTOR_CONCENTRATION,
    TRADE_RISK,
    TRADE_EDGE,
    STRATEGY_USAGE,
    VENUE_USAGE,
    POSITION_LOSS,
    WITHOUT_STOP,
    TIME_EXIT,
    VOLATILITY_EXPANSION,
    VOLATILITY_CONTRACTION,
    DAILY_LOSS,
    VAR,
    CVAR,
    DRAWDOWN,
    GROSS_EXPOSURE,
    NET_EXPOSURE,
    LEVERAGE,
    MARGIN,
    INTRADAY_DRAWDOWN,
    CONSECUTIVE_LOSSES,
    SPREAD,
    ATR_SPIKE,
    PRICE_MOVE,
    WEBSOCKET_LAG,
    INFERENCE_P95,
    INFERENCE_P99,
    ORDER_PLACEMENT,
    ORDER_FILL,
    COST_BUDGET,
)

__all__ = [
    "ASSET_CONCENTRATION",
    "ATR_SPIKE",
    "CONSECUTIVE_LOSSES",
    "COST_BUDGET",
    "CVAR",
    "DAILY_LOSS",
    "DRAWDOWN",
    "GROSS_EXPOSURE",
    "INFERENCE_P95",
    "INFERENCE_P99",
    "INTRADAY_DRAWDOWN",
    "LEVERAGE",
    "LIMITS",
    "MARGIN",
    "NET_EXPOSURE",
    "ORDER_FILL",
    "ORDER_PLACEMENT",
    "POSITION_LOSS",
    "POSITION_SIZE",
    "PRICE_MOVE",
    "SECTOR_CONCENTRATION",
    "SPREAD",
    "STRATEGY_USAGE",
    "TIME_EXIT",
    "TRADE_EDGE",
    "TRADE_RISK",
    "VAR",
    "VENUE_USAGE",
    "VOLATILITY_CONTRACTION",
    "VOLATILITY_EXPANSION",
    "WEBSOCKET_LAG",
    "WITHOUT_STOP",
    "AlertSpec",
    "Kind",
    "Limit",
    "Side",
    "Unit",
]
