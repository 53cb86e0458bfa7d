"""Every metric Riskwarden exports: name, type, labels, one help text.

Base units throughout. Amounts of money are in the account's own currency, which
``risk_account_info`` names; everything compared with a threshold is a ratio or a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One exported metric family.

    Attributes:
        name: the sample name, counters included, as it stands in PromQL.
        help: the one help text.
        labels: label names in the order in which they are exposed.
        kind: Prometheus type.
        component: who exports it.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter", "histogram", "info"] = "gauge"
    component: Literal["exporter", "receivers", "rules"] = "exporter"


_ACCOUNT = ("account", "risk_id")
_SYMBOL = ("account", "symbol", "risk_id")

# -- the account, as the runtime reports it ------------------------------------------------
ACCOUNT_INFO: Final = Metric(
    "risk_account_info", "Currency the account's amounts are in; always 1.", ("account", "currency")
)
EQUITY: Final = Metric("risk_equity", "Cash plus market value of all positions.", ("account",))
CASH: Final = Metric("risk_cash", "Cash not invested.", ("account",))
EQUITY_PEAK: Final = Metric(
    "risk_equity_peak", "Highest equity seen, across restarts.", ("account",)
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
EXPOSURE_GROSS_RATIO: Final = Metric(
    "risk_exposure_gross_ratio", "Gross exposure divided by equity.", ("account",)
)
EXPOSURE_NET_RATIO: Final = Metric(
    "risk_exposure_net_ratio", "Net exposure divided by equity.", ("account",)
)
POSITION_NOTIONAL: Final = Metric(
    "risk_position_notional", "Signed market value of a position.", ("account", "symbol", "sector")
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
    "risk_snapshots_rejected_total", "Snapshots refused, by reason.", ("reason",), kind="counter"
)
STATE_UNSAVED: Final = Metric(
    "risk_exporter_state_unsaved_seconds",
    "Age of the oldest change to what is remembered of an account that should be on disk and is "
    "not; 0 while all of it is.",
    ("account",),
)

# -- the receivers -------------------------------------------------------------------------
FEED_ALERTS: Final = Metric(
    "risk_feed_alerts_total",
    "Alerts taken in and committed, by feed and outcome (created, repeated, resolved, ignored).",
    ("feed", "outcome"),
    kind="counter",
    component="receivers",
)
FEED_REQUESTS: Final = Metric(
    "risk_feed_requests_total",
    "Requests to a feed, by feed and HTTP status.",
    ("feed", "code"),
    kind="counter",
    component="receivers",
)
FEED_QUARANTINED: Final = Metric(
    "risk_feed_quarantined_total",
    "Malformed bodies or alerts kept aside.",
    ("feed",),
    kind="counter",
    component="receivers",
)
WATCHDOG_TIMESTAMP: Final = Metric(
    "risk_watchdog_timestamp_seconds",
    "When the Watchdog alert last arrived, by feed, Unix time.",
    ("feed",),
    component="receivers",
)
INCIDENTS_OPEN: Final = Metric(
    "risk_incidents_open", "Open incidents, by severity.", ("severity",), component="receivers"
)
KILL_SWITCH_TRIPPED: Final = Metric(
    "risk_kill_switch_tripped", "1 while the kill switch is tripped.", (), component="receivers"
)
KILL_SWITCH_FLAT: Final = Metric(
    "risk_kill_switch_flat_confirmed",
    "1 once the runtime has confirmed that it is flat after the last trip.",
    (),
    component="receivers",
)
GATE_OPEN: Final = Metric(
    "risk_gate_open", "1 while the gate allows orders that add risk.", (), component="receivers"
)
GATE_VERSION: Final = Metric(
    "risk_gate_version", "Version of the published gate.", (), component="receivers"
)
GATE_PUBLISH_SECONDS: Final = Metric(
    "risk_gate_close_delay_seconds",
    "Time from receiving the tripping alert to the closed gate.",
    (),
    component="receivers",
)
MESSAGES: Final = Metric(
    "risk_messages_total",
    "Messages to people, by channel and outcome (sent, failed).",
    ("channel", "outcome"),
    kind="counter",
    component="receivers",
)
MESSAGES_PENDING: Final = Metric(
    "risk_messages_pending",
    "Messages owed and not yet delivered, by channel.",
    ("channel",),
    component="receivers",
)
AUDIT_EVENTS: Final = Metric(
    "risk_audit_chain_size", "Events in the audit chain.", (), component="receivers"
)
WRITER_HEALTHY: Final = Metric(
    "risk_store_writer_healthy",
    "1 while the store accepts durable writes.",
    (),
    component="receivers",
)

# -- every component -----------------------------------------------------------------------
POLICY_INFO: Final = Metric(
    "risk_policy_info",
    "SHA-256 of the policy file a component runs on; always 1.",
    ("component", "digest"),
)

# -- recorded by the rules -----------------------------------------------------------------
THRESHOLD: Final = Metric(
    "risk_threshold",
    "Threshold of a limit, in the unit of its metric.",
    ("limit", "tier"),
    component="rules",
)

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric for metric in list(globals().values()) if isinstance(metric, Metric)
}
