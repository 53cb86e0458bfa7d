"""Circuit breakers: what stops trading for a while."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits.limit import AlertSpec, Limit, Side, Unit
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier

_B: Final = "alerting.circuit_breakers"

INTRADAY_DRAWDOWN: Final = Limit(
    "intraday_drawdown", "Intraday drawdown",
    m.INTRADAY_DRAWDOWN, Side.ABOVE, Category.DRAWDOWN, Layer.CIRCUIT_BREAKER,
    ("account",),
    (
        AlertSpec(
            "INTRADAY_DRAWDOWN_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_B}.drawdown.warning_pct",
            "Account {subject} gives back what it had today",
            "Equity has fallen from today's highest point beyond the warning level.",
            "Check what turned; the breaker is close.",
        ),
        AlertSpec(
            "INTRADAY_DRAWDOWN_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.HALT_NEW_TRADES,
            f"{_B}.drawdown.critical_pct",
            "The drawdown breaker of account {subject} is open",
            "Equity has fallen too far from today's highest point; no new trades until it has "
            "cooled down.",
            "Open nothing new. Find the cause before trading is resumed.",
        ),
        AlertSpec(
            "INTRADAY_DRAWDOWN_EMERGENCY", Tier.EMERGENCY, Severity.EMERGENCY,
            Action.HALT_NEW_TRADES,
            f"{_B}.drawdown.emergency_pct",
            "Account {subject} is falling fast today",
            "Equity has fallen from today's highest point far beyond the breaker.",
            "Decide now whether to close everything: consider tripping the kill switch by hand.",
        ),
    ),
    cooldown=f"{_B}.drawdown",
)  # fmt: skip

CONSECUTIVE_LOSSES: Final = Limit(
    "consecutive_losses", "Losing trades in a row",
    m.CONSECUTIVE_LOSSES, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account",),
    (
        AlertSpec(
            "CONSECUTIVE_LOSSES_WARNING", Tier.WARNING, Severity.WARNING, Action.REDUCE_SIZE,
            f"{_B}.consecutive_losses.reduce_at",
            "Account {subject} keeps losing",
            "Several trades in a row have lost; new ones are held to a smaller size.",
            "Check whether the market or the strategy has changed.",
        ),
        AlertSpec(
            "CONSECUTIVE_LOSSES_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.REDUCE_SIZE,
            f"{_B}.consecutive_losses.reduce_further_at",
            "Account {subject} keeps losing; new trades are cut further",
            "The breaker is close; new trades are held to a smaller size still.",
            "Review the losing trades now.",
        ),
        AlertSpec(
            "CONSECUTIVE_LOSSES_HALT", Tier.EMERGENCY, Severity.CRITICAL, Action.HALT_NEW_TRADES,
            f"{_B}.consecutive_losses.halt_at",
            "The losing-streak breaker of account {subject} is open",
            "Too many trades in a row have lost; no new trades until it has cooled down.",
            "Open nothing new. Find the cause before trading is resumed.",
        ),
    ),
    unit=Unit.NUMBER,
    inclusive=True,
    cooldown=f"{_B}.consecutive_losses",
)  # fmt: skip

SPREAD: Final = Limit(
    "spread", "Spread",
    m.SPREAD, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "symbol"),
    (
        AlertSpec(
            "SPREAD_WIDE", Tier.CRITICAL, Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES,
            f"{_B}.volatility.max_spread_bps",
            "Spread of {subject} is too wide to trade",
            "Bid and ask lie so far apart that entering costs more than it can earn.",
            "Wait. Do not close in a hurry either, unless something else demands it.",
        ),
    ),
    unit=Unit.BASIS_POINTS,
)  # fmt: skip

ATR_SPIKE: Final = Limit(
    "atr_spike", "Volatility against its baseline",
    m.ATR_BASELINE, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "symbol"),
    (
        AlertSpec(
            "ATR_SPIKE", Tier.CRITICAL, Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES,
            f"{_B}.volatility.max_atr_multiple",
            "Volatility of {subject} has jumped",
            "Sizes and stops that were computed for a calmer market do not fit any more.",
            "Open nothing new in it; check the stops of what is held.",
        ),
    ),
    unit=Unit.NUMBER,
)  # fmt: skip

PRICE_MOVE: Final = Limit(
    "price_move", "Price range within a period",
    m.PRICE_RANGE, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "symbol"),
    (
        AlertSpec(
            "PRICE_MOVE_EXTREME", Tier.CRITICAL, Severity.CRITICAL, Action.HALT_NEW_TRADES,
            f"{_B}.volatility.max_price_move_pct",
            "Price of {subject} has moved extremely",
            "The price has moved further within one period than it normally does in weeks.",
            "Check news and venue: is the price real? Open nothing new.",
        ),
    ),
)  # fmt: skip

WEBSOCKET_LAG: Final = Limit(
    "websocket_lag", "Lag of market data",
    m.WEBSOCKET_LAG, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "venue"),
    (
        AlertSpec(
            "WEBSOCKET_LAG", Tier.CRITICAL, Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES,
            f"{_B}.latency.websocket_lag_seconds",
            "Market data of venue {subject} lags",
            "Decisions are taken on prices of the past.",
            "Check the connection; reconnect. Open nothing new until it is current.",
        ),
    ),
    unit=Unit.SECONDS,
)  # fmt: skip

INFERENCE_P95: Final = Limit(
    "inference_p95", "Inference time, 95th percentile",
    m.INFERENCE_P95, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account",),
    (
        AlertSpec(
            "INFERENCE_SLOW", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_B}.latency.inference_p95_milliseconds",
            "Signals of account {subject} are computed slowly",
            "One signal in twenty takes longer than it may.",
            "Check the load of the machine that computes them.",
        ),
    ),
    unit=Unit.MILLISECONDS,
)  # fmt: skip

INFERENCE_P99: Final = Limit(
    "inference_p99", "Inference time, 99th percentile",
    m.INFERENCE_P99, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account",),
    (
        AlertSpec(
            "INFERENCE_STALLED", Tier.CRITICAL, Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES,
            f"{_B}.latency.inference_p99_milliseconds",
            "Signals of account {subject} come too late",
            "One signal in a hundred takes so long that the market has moved on.",
            "Open nothing new until it is fast again.",
        ),
    ),
    unit=Unit.MILLISECONDS,
)  # fmt: skip

ORDER_PLACEMENT: Final = Limit(
    "order_placement", "Time to place an order",
    m.ORDER_PLACEMENT, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "venue"),
    (
        AlertSpec(
            "ORDER_PLACEMENT_SLOW", Tier.CRITICAL, Severity.CRITICAL, Action.PAUSE_NEW_ENTRIES,
            f"{_B}.latency.order_placement_milliseconds",
            "Venue {subject} takes orders slowly",
            "Orders reach the venue so late that a stop may too.",
            "Check the connection and the venue's status page; be ready to close elsewhere.",
        ),
    ),
    unit=Unit.MILLISECONDS,
)  # fmt: skip

ORDER_FILL: Final = Limit(
    "order_fill", "Time to fill an order",
    m.ORDER_FILL, Side.ABOVE, Category.EXECUTION, Layer.CIRCUIT_BREAKER,
    ("account", "venue"),
    (
        AlertSpec(
            "ORDER_FILL_SLOW", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_B}.latency.order_fill_milliseconds",
            "Orders at venue {subject} are filled slowly",
            "Orders stay open longer than the strategy assumes.",
            "Check liquidity and order types; expect slippage.",
        ),
    ),
    unit=Unit.MILLISECONDS,
)  # fmt: skip
