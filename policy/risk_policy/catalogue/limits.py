"""Every limit and its alerts: what is watched, where the threshold stands, what follows.

Adding a limit touches this table, the policy and a test; rules, routes, runbooks and
generated tests follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier


class Side(Enum):
    """On which side of the threshold the danger lies."""

    ABOVE = ">"
    BELOW = "<"


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """One tier of a limit.

    Attributes:
        name: the alertname.
        threshold: dotted policy key, in percent, always written as a positive number.
        summary: one line; ``{subject}`` is what it is about.
        meaning: what it means for the account, in a sentence or two.
        advice: what to do now, for the runbook.
    """

    name: str
    tier: Tier
    severity: Severity
    action: Action
    threshold: str
    summary: str
    meaning: str
    advice: str


@dataclass(frozen=True, slots=True)
class Limit:
    """One watched quantity.

    Attributes:
        name: first part of every risk_id it has.
        title: what a message calls the quantity.
        metric: a ratio of the exporter.
        side: ABOVE if large values are dangerous. BELOW if small ones are; thresholds stay
            positive in the policy and are negated in PromQL.
        identity: labels that say what a breach is about.
        alerts: mildest tier first.
    """

    name: str
    title: str
    metric: Metric
    side: Side
    category: Category
    layer: Layer
    identity: tuple[str, ...]
    alerts: tuple[AlertSpec, ...]

    def bound(self, threshold_pct: float) -> float:
        """The threshold as it stands in PromQL: a ratio, negative on the lower side."""
        ratio = round(threshold_pct / 100, 10)
        return -ratio if self.side is Side.BELOW else ratio


_T = "alerting.thresholds"

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

POSITION_LOSS: Final = Limit(
    "position_loss", "Open profit",
    m.POSITION_RETURN, Side.BELOW, Category.POSITION, Layer.POSITION,
    ("account", "symbol"),
    (
        AlertSpec(
            "POSITION_LOSS_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.position.loss_warning_pct",
            "Position {subject} is losing money",
            "The open loss of one position is beyond the warning level.",
            "Check whether its stop is in place and where it stands.",
        ),
        AlertSpec(
            "POSITION_LOSS_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.FORCE_CLOSE_REVIEW,
            f"{_T}.position.loss_critical_pct",
            "Position {subject} has lost more than it may",
            "The open loss of one position is beyond what the policy accepts.",
            "Review the position now and decide: close it, or record why it stays open.",
        ),
    ),
)  # fmt: skip

DAILY_LOSS: Final = Limit(
    "daily_loss", "Profit today",
    m.DAILY_PNL, Side.BELOW, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "DAILY_LOSS_WARNING", Tier.WARNING, Severity.WARNING, Action.REVIEW,
            f"{_T}.portfolio.daily_loss_warning_pct",
            "Account {subject} is down today",
            "Today's loss is beyond the warning level.",
            "Review what is losing and whether one cause is behind it.",
        ),
        AlertSpec(
            "DAILY_LOSS_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.REDUCE_EXPOSURE,
            f"{_T}.portfolio.daily_loss_breach_pct",
            "Account {subject} has lost more today than it may",
            "Today's loss is beyond the daily limit.",
            "Reduce exposure and open nothing new today.",
        ),
    ),
)  # fmt: skip

VAR: Final = Limit(
    "var", "Value-at-risk usage",
    m.VAR_USAGE, Side.ABOVE, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "VAR_BREACH_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.portfolio.var_warning_pct",
            "Value at risk of account {subject} is close to its limit",
            "A bad day could cost nearly as much as the account is allowed to risk.",
            "Look for the positions that contribute most; avoid adding to them.",
        ),
        AlertSpec(
            "VAR_BREACH_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.EMERGENCY_REDUCE,
            f"{_T}.portfolio.var_breach_pct",
            "Value at risk of account {subject} exceeds its limit",
            "A bad day could cost more than the account is allowed to risk.",
            "Reduce the positions that contribute most until usage is below 100%.",
        ),
    ),
)  # fmt: skip

DRAWDOWN: Final = Limit(
    "drawdown", "Drawdown",
    m.DRAWDOWN, Side.ABOVE, Category.DRAWDOWN, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "DRAWDOWN_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.portfolio.max_drawdown_warning_pct",
            "Account {subject} is in a drawdown",
            "Equity has fallen from its peak beyond the warning level.",
            "Review exposure and the next thresholds; decide what you would close first.",
        ),
        AlertSpec(
            "DRAWDOWN_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.HALT_NEW_TRADES,
            f"{_T}.portfolio.max_drawdown_critical_pct",
            "Account {subject} is in a deep drawdown",
            "Equity has fallen so far from its peak that no new trades should be opened.",
            "Open nothing new. Reduce what contributes most to the loss.",
        ),
        AlertSpec(
            "DRAWDOWN_EMERGENCY", Tier.EMERGENCY, Severity.EMERGENCY, Action.KILL_SWITCH,
            f"{_T}.portfolio.max_drawdown_emergency_pct",
            "Account {subject} has reached its emergency drawdown; the kill switch trips",
            "Equity has fallen from its peak beyond what the account is meant to survive. The kill "
            "switch trips: orders are cancelled, positions closed, new risk refused.",
            "Check that the account is flat, at the exchange and not only here. Do not clear the "
            "kill switch before the cause is understood and written down.",
        ),
    ),
)  # fmt: skip

#: In the order of the roadmap's layers. Names are unique, and so are alert names.
LIMITS: Final = (
    POSITION_SIZE,
    ASSET_CONCENTRATION,
    SECTOR_CONCENTRATION,
    POSITION_LOSS,
    DAILY_LOSS,
    VAR,
    DRAWDOWN,
)
