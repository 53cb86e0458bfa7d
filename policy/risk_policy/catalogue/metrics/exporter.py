"""What the exporter publishes about accounts and positions."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.metrics.metric import Metric

_ACCOUNT = ("account", "risk_id")
_SYMBOL = ("account", "symbol", "risk_id")

# -- the account, as the runtime reports it ------------------------------------------------
ACCOUNT_INFO: Final = Metric(
    "risk_account_info", "Currency the account's amounts are in; always 1.", ("account", "currency")
)
EQUITY: Final = Metric("risk_equity", "Cash plus market value of all positions.", ("account",))
CASH: Final = Metric("risk_cash", "Cash not invested.", ("account",))
EQUITY_PEAK: Final = Metric(
    "risk_equity_peak",
    "Highest equity seen since it was last reset, across restarts.",
    ("account",),
)
HIGH_WATER_MARK_RESET: Final = Metric(
    "risk_high_water_mark_reset_timestamp_seconds",
    "When somebody last reset the peak that drawdowns are measured from; absent if nobody did.",
    ("account",),
)
EQUITY_DAY_START: Final = Metric(
    "risk_equity_day_start", "Equity at the last close before the current day.", ("account",)
)
POSITIONS_OPEN: Final = Metric("risk_positions_open", "Number of open positions.", ("account",))
EXPOSURE_GROSS: Final = Metric(
    "risk_exposure_gross", "Sum of absolute notionals of all positions.", ("account",)
)
EXPOSURE_NET: Final = Metric(
    "risk_exposure_net", "Sum of signed notionals of all positions.", ("account",)
)
POSITION_NOTIONAL: Final = Metric(
    "risk_position_notional", "Signed market value of a position.", ("account", "symbol", "sector")
)

# -- what stands between the runtime and a live market, as the runtime reports it -----------
TRADING_MODE_INFO: Final = Metric(
    "risk_trading_mode_info",
    "Where the runtime says it sends orders, and what its gates leave of that; always 1.",
    ("account", "mode", "effective_mode"),
)
GATING_FLAG: Final = Metric(
    "risk_gating_flag",
    "A switch in front of live orders as the runtime tells it, 1 if true; absent if it does not.",
    ("account", "flag"),
)
LIVE_ORDERS_RULED_OUT: Final = Metric(
    "risk_live_orders_ruled_out",
    "1 while a gate that the runtime tells holds back every live order; 0 if none does or if that "
    "is not known.",
    ("account",),
)

# -- what limits watch: each carries the risk_id of what it is about -----------------------
POSITION_SIZE: Final = Metric(
    "risk_position_size_ratio", "Absolute notional of a position divided by its limit.", _SYMBOL
)
POSITION_RETURN: Final = Metric(
    "risk_position_return_ratio",
    "Unrealised profit of a position divided by its cost; negative for a loss.",
    _SYMBOL,
)
ASSET_CONCENTRATION: Final = Metric(
    "risk_asset_concentration_ratio",
    "Absolute notional held in an asset divided by equity.",
    ("account", "asset", "risk_id"),
)
SECTOR_CONCENTRATION: Final = Metric(
    "risk_sector_concentration_ratio",
    "Absolute notional held in a sector divided by equity.",
    ("account", "sector", "risk_id"),
)
DAILY_PNL: Final = Metric(
    "risk_daily_pnl_ratio",
    "Equity change since the last close before the current day, divided by that close.",
    _ACCOUNT,
)
DRAWDOWN: Final = Metric(
    "risk_drawdown_ratio", "Fall of equity from its peak, divided by the peak.", _ACCOUNT
)
VAR_USAGE: Final = Metric(
    "risk_var_limit_usage_ratio",
    "Value at risk of the covered positions divided by its limit.",
    _ACCOUNT,
)
CVAR_USAGE: Final = Metric(
    "risk_cvar_limit_usage_ratio",
    "Expected loss beyond value at risk divided by its limit.",
    _ACCOUNT,
)
EXPOSURE_GROSS_RATIO: Final = Metric(
    "risk_exposure_gross_ratio", "Gross exposure divided by equity.", _ACCOUNT
)
EXPOSURE_NET_RATIO: Final = Metric(
    "risk_exposure_net_ratio", "Net exposure divided by equity.", _ACCOUNT
)
LEVERAGE: Final = Metric(
    "risk_leverage_ratio",
    "Leverage as the venue reports it; else gross exposure over equity.",
    _ACCOUNT,
)
MARGIN_LEVEL: Final = Metric(
    "risk_margin_level_ratio", "Equity divided by the margin that open positions use.", _ACCOUNT
)
INTRADAY_DRAWDOWN: Final = Metric(
    "risk_intraday_drawdown_ratio",
    "Fall of equity from its highest point today, divided by that point.",
    _ACCOUNT,
)
CONSECUTIVE_LOSSES: Final = Metric(
    "risk_consecutive_losses", "Closed trades in a row that lost money.", _ACCOUNT
)
STRATEGY_USAGE: Final = Metric(
    "risk_strategy_limit_usage_ratio",
    "Exposure of a strategy divided by its limit.",
    ("account", "strategy", "risk_id"),
)
VENUE_USAGE: Final = Metric(
    "risk_venue_limit_usage_ratio",
    "Exposure at a venue divided by its limit.",
    ("account", "venue", "risk_id"),
)
TRADE_EDGE: Final = Metric(
    "risk_trade_edge_ratio",
    "Expected profit of the latest trade after costs, divided by its notional.",
    ("account", "strategy", "risk_id"),
)
COST_BUDGET_USAGE: Final = Metric(
    "risk_cost_budget_usage_ratio",
    "Cost of data or API calls divided by their budget.",
    ("account", "budget", "risk_id"),
)
POSITION_RISK: Final = Metric(
    "risk_position_risk_ratio", "Loss of a position if its stop is hit, divided by equity.", _SYMBOL
)
POSITION_WITHOUT_STOP: Final = Metric(
    "risk_position_without_stop_seconds",
    "How long a position has been held without a stop; 0 with one.",
    _SYMBOL,
)
POSITION_AGE: Final = Metric(
    "risk_position_age_periods", "Trading periods for which a position has been held.", _SYMBOL
)
POSITION_ATR: Final = Metric(
    "risk_position_atr_ratio", "Average true range now divided by that at entry.", _SYMBOL
)
SPREAD: Final = Metric("risk_spread_ratio", "Ask minus bid, divided by the mid price.", _SYMBOL)
ATR_BASELINE: Final = Metric(
    "risk_atr_baseline_ratio", "Average true range divided by its long-term baseline.", _SYMBOL
)
PRICE_RANGE: Final = Metric(
    "risk_price_range_ratio",
    "Highest over lowest price within the policy's period of market time, minus 1.",
    _SYMBOL,
)
WEBSOCKET_LAG: Final = Metric(
    "risk_websocket_lag_seconds",
    "Age of the latest market data of a venue on arrival.",
    ("account", "venue", "risk_id"),
)
INFERENCE_P95: Final = Metric(
    "risk_inference_latency_p95_seconds",
    "95th percentile of the time to compute a signal.",
    _ACCOUNT,
)
INFERENCE_P99: Final = Metric(
    "risk_inference_latency_p99_seconds",
    "99th percentile of the time to compute a signal.",
    _ACCOUNT,
)
ORDER_PLACEMENT: Final = Metric(
    "risk_order_placement_seconds",
    "Time until the venue confirmed the latest order.",
    ("account", "venue", "risk_id"),
)
ORDER_FILL: Final = Metric(
    "risk_order_fill_seconds",
    "Time until the latest order was filled.",
    ("account", "venue", "risk_id"),
)

# -- events: when something last happened --------------------------------------------------
STOP_LOSS_TRIGGERED: Final = Metric(
    "risk_stop_loss_triggered_timestamp_seconds",
    "When a stop-loss last closed a position, Unix time.",
    ("account", "symbol"),
)
TAKE_PROFIT_TRIGGERED: Final = Metric(
    "risk_take_profit_triggered_timestamp_seconds",
    "When a take-profit last closed a position, Unix time.",
    ("account", "symbol"),
)

# -- how the risk figures came about -------------------------------------------------------
VAR: Final = Metric(
    "risk_var_ratio",
    "Value at risk of the covered positions divided by equity, a positive loss; NaN while "
    "positions are held and none is covered.",
    ("account", "method", "confidence", "horizon"),
)
CVAR: Final = Metric(
    "risk_cvar_ratio",
    "Expected loss of the covered positions beyond the value at risk, divided by equity; NaN "
    "while positions are held and none is covered.",
    ("account", "method", "confidence", "horizon"),
)
VAR_SAMPLES: Final = Metric(
    "risk_var_sample_count", "Daily returns that value at risk is computed from.", ("account",)
)
VAR_COVERED: Final = Metric(
    "risk_var_covered_ratio",
    "Absolute notional of the covered positions, those with past closes enough for value at risk, "
    "divided by that of all positions; 1 without positions.",
    ("account",),
)
VAR_UNCOVERED: Final = Metric(
    "risk_var_uncovered_positions",
    "Open positions that value at risk leaves out because their symbol has too few past closes.",
    ("account",),
)
SNAPSHOT_TIMESTAMP: Final = Metric(
    "risk_snapshot_timestamp_seconds",
    "When the latest snapshot was taken, Unix time.",
    ("account",),
)
SNAPSHOT_AGE: Final = Metric(
    "risk_snapshot_age_seconds",
    "Age of the latest snapshot at scrape time, also of one from before a restart.",
    _ACCOUNT,
)
MARKET_TIMESTAMP: Final = Metric(
    "risk_market_timestamp_seconds",
    "Market time that the latest snapshot belongs to, Unix time.",
    ("account",),
)
SNAPSHOTS: Final = Metric(
    "risk_snapshots_total", "Snapshots taken in.", ("account",), kind="counter"
)
SNAPSHOTS_REJECTED: Final = Metric(
    "risk_snapshots_rejected_total",
    "Snapshots refused, or polled for and not got, by reason.",
    ("reason",),
    kind="counter",
)
TRADES_BLOCKED: Final = Metric(
    "risk_trades_blocked_total",
    "Orders that the runtime refused to send, by pre-trade limit; gate is the trade gate.",
    ("account", "limit"),
    kind="counter",
)
STATE_UNSAVED: Final = Metric(
    "risk_exporter_state_unsaved_seconds",
    "Age of the oldest change to what is remembered of an account that should be on disk and is "
    "not; 0 while all of it is.",
    ("account",),
)

# -- the fast lane: breaches that trip the kill switch, told without waiting for Prometheus ---
FAST_LANE_ON: Final = Metric(
    "risk_fast_lane_on",
    "1 if breaches that trip the kill switch are told straight to the receivers, else 0.",
)
FAST_LANE_POSTS: Final = Metric(
    "risk_fast_lane_posts_total",
    "Attempts to tell the receivers of such breaches, by outcome.",
    ("outcome",),
    kind="counter",
)
FAST_LANE_UNACKNOWLEDGED: Final = Metric(
    "risk_fast_lane_unacknowledged",
    "Such breaches that the receivers have not acknowledged yet.",
)

EXPORTER_TIME: Final = Metric(
    "risk_exporter_time_seconds", "The exporter's clock at scrape time, Unix time."
)
