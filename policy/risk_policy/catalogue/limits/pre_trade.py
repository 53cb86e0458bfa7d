"""Layer 1: what is also looked at before an order is sent."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits.limit import AlertSpec, Limit, Side
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier

_T: Final = "alerting.thresholds"

POSITION_SIZE: Final = Limit(
    "position_size", "Position size",
    m.POSITION_SIZE, Side.ABOVE, Category.POSITION, Layer.PRE_TRADE,
    ("account", "symbol"),
    (
        AlertSpec(
            "POSITION_SIZE_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.position.max_size_warning_pct",
            "Position {subject} is close to its size limit",
            "The position has used most of the size it is allowed; the next order may be refused.",
            "Check whether the position grew by trading or by price. Plan to reduce it, or raise "
            "its limit in the policy if the size is intended.",
        ),
        AlertSpec(
            "POSITION_SIZE_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.position.max_size_breach_pct",
            "Position {subject} exceeds its size limit",
            "The position is larger than it may be; orders that enlarge it must not be sent.",
            "Reduce the position below its limit. Do not raise the limit to silence the alert.",
        ),
    ),
)  # fmt: skip

ASSET_CONCENTRATION: Final = Limit(
    "asset_concentration", "Asset concentration",
    m.ASSET_CONCENTRATION, Side.ABOVE, Category.PORTFOLIO, Layer.PRE_TRADE,
    ("account", "asset"),
    (
        AlertSpec(
            "ASSET_CONCENTRATION_HIGH", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.concentration.single_asset_warning_pct",
            "A large share of the portfolio is in {subject}",
            "One asset decides a large part of the account's fate.",
            "Decide whether the concentration is intended; if not, rebalance.",
        ),
        AlertSpec(
            "ASSET_CONCENTRATION_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.concentration.single_asset_breach_pct",
            "Too much of the portfolio is in {subject}",
            "The share held in one asset is beyond what the policy allows.",
            "Reduce the holding below the limit; orders that add to it must not be sent.",
        ),
    ),
)  # fmt: skip

SECTOR_CONCENTRATION: Final = Limit(
    "sector_concentration", "Sector concentration",
    m.SECTOR_CONCENTRATION, Side.ABOVE, Category.PORTFOLIO, Layer.PRE_TRADE,
    ("account", "sector"),
    (
        AlertSpec(
            "SECTOR_CONCENTRATION_HIGH", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.concentration.sector_warning_pct",
            "A large share of the portfolio is in sector {subject}",
            "Positions that tend to fall together make up much of the account.",
            "Decide whether the concentration is intended; if not, rebalance across sectors.",
        ),
        AlertSpec(
            "SECTOR_CONCENTRATION_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.concentration.sector_breach_pct",
            "Too much of the portfolio is in sector {subject}",
            "The share held in one sector is beyond what the policy allows.",
            "Reduce the sector below the limit; orders that add to it must not be sent.",
        ),
    ),
)  # fmt: skip

TRADE_RISK: Final = Limit(
    "trade_risk", "Risk of the position",
    m.POSITION_RISK, Side.ABOVE, Category.POSITION, Layer.PRE_TRADE,
    ("account", "symbol"),
    (
        AlertSpec(
            "TRADE_RISK_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.position.risk_warning_pct",
            "Position {subject} risks more than usual",
            "If its stop is hit, the position costs more of the equity than a trade normally may.",
            "Check size and stop; reduce the size or move the stop closer.",
        ),
        AlertSpec(
            "TRADE_RISK_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.position.risk_breach_pct",
            "Position {subject} risks more than one trade may",
            "If its stop is hit, the position costs more of the equity than any single trade may.",
            "Reduce the size now; orders that enlarge the position must not be sent.",
        ),
    ),
)  # fmt: skip

TRADE_EDGE: Final = Limit(
    "trade_edge", "Edge after costs",
    m.TRADE_EDGE, Side.BELOW, Category.EXECUTION, Layer.PRE_TRADE,
    ("account", "strategy"),
    (
        AlertSpec(
            "TRADE_EDGE_LOW", Tier.WARNING, Severity.WARNING, Action.BLOCK_TRADE,
            f"{_T}.trade.min_edge_pct",
            "Strategy {subject} trades without enough edge",
            "The expected profit of its latest trade, after fees, slippage and impact, does not "
            "pay for the risk.",
            "Check the cost model and the signal; stop the strategy until its edge is back.",
        ),
    ),
)  # fmt: skip

STRATEGY_USAGE: Final = Limit(
    "strategy_usage", "Limit usage of the strategy",
    m.STRATEGY_USAGE, Side.ABOVE, Category.PORTFOLIO, Layer.PRE_TRADE,
    ("account", "strategy"),
    (
        AlertSpec(
            "STRATEGY_LIMIT_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.portfolio.usage_warning_pct",
            "Strategy {subject} is close to its limit",
            "The strategy has used most of the exposure it is allowed.",
            "Check whether the growth is intended.",
        ),
        AlertSpec(
            "STRATEGY_LIMIT_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.portfolio.usage_breach_pct",
            "Strategy {subject} exceeds its limit",
            "The strategy holds more exposure than it may; its orders that add to it must not "
            "be sent.",
            "Reduce the strategy's exposure below its limit.",
        ),
    ),
)  # fmt: skip

VENUE_USAGE: Final = Limit(
    "venue_usage", "Limit usage at the venue",
    m.VENUE_USAGE, Side.ABOVE, Category.PORTFOLIO, Layer.PRE_TRADE,
    ("account", "venue"),
    (
        AlertSpec(
            "VENUE_LIMIT_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.portfolio.usage_warning_pct",
            "Exposure at venue {subject} is close to its limit",
            "Most of what may be at risk at one venue already is.",
            "Decide which positions could be held elsewhere.",
        ),
        AlertSpec(
            "VENUE_LIMIT_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.portfolio.usage_breach_pct",
            "Exposure at venue {subject} exceeds its limit",
            "More is at risk at one venue than may be; if it fails, too much fails with it.",
            "Reduce exposure at the venue; orders that add to it must not be sent.",
        ),
    ),
)  # fmt: skip
