"""Layer 3: the account as a whole."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits.limit import AlertSpec, Limit, Side, Unit
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier

_T: Final = "alerting.thresholds"

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
    loss=True,
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

CVAR: Final = Limit(
    "cvar", "Expected-shortfall usage",
    m.CVAR_USAGE, Side.ABOVE, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "CVAR_BREACH_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.portfolio.cvar_warning_pct",
            "Expected shortfall of account {subject} is close to its limit",
            "The average of the worst days could cost nearly as much as the account is allowed "
            "to risk.",
            "Look for the positions whose worst days coincide.",
        ),
        AlertSpec(
            "CVAR_BREACH_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.EMERGENCY_REDUCE,
            f"{_T}.portfolio.cvar_breach_pct",
            "Expected shortfall of account {subject} exceeds its limit",
            "The average of the worst days could cost more than the account is allowed to risk.",
            "Reduce the positions that lose together until usage is below 100%.",
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
            "kill switch before the cause is understood and written down. This alert goes on while "
            "the account is flat; to trade on with what is left: riskwarden reset-high-water-mark.",
        ),
    ),
)  # fmt: skip

GROSS_EXPOSURE: Final = Limit(
    "gross_exposure", "Gross exposure",
    m.EXPOSURE_GROSS_RATIO, Side.ABOVE, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "GROSS_EXPOSURE_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.exposure.gross_warning_pct",
            "Gross exposure of account {subject} is high",
            "Everything held, long and short, is large against the equity.",
            "Decide what could be reduced first.",
        ),
        AlertSpec(
            "GROSS_EXPOSURE_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.REDUCE_EXPOSURE,
            f"{_T}.exposure.gross_breach_pct",
            "Gross exposure of account {subject} exceeds its limit",
            "Everything held, long and short, is larger than it may be.",
            "Reduce positions until gross exposure is below its limit.",
        ),
    ),
)  # fmt: skip

NET_EXPOSURE: Final = Limit(
    "net_exposure", "Net exposure",
    m.EXPOSURE_NET_RATIO, Side.ABOVE, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "NET_EXPOSURE_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.exposure.net_warning_pct",
            "Account {subject} leans far to one side",
            "Longs and shorts do not balance: the market's direction decides the account's fate.",
            "Check whether the direction is intended.",
        ),
        AlertSpec(
            "NET_EXPOSURE_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.REDUCE_EXPOSURE,
            f"{_T}.exposure.net_breach_pct",
            "Account {subject} leans further to one side than it may",
            "The bet on the market's direction is larger than the policy allows.",
            "Reduce or hedge until net exposure is below its limit.",
        ),
    ),
    absolute=True,
)  # fmt: skip

LEVERAGE: Final = Limit(
    "leverage", "Leverage",
    m.LEVERAGE, Side.ABOVE, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "LEVERAGE_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.exposure.leverage_warning",
            "Leverage of account {subject} is high",
            "Losses count several times against the equity.",
            "Plan how to bring leverage down.",
        ),
        AlertSpec(
            "LEVERAGE_BREACH", Tier.CRITICAL, Severity.CRITICAL, Action.REDUCE_EXPOSURE,
            f"{_T}.exposure.leverage_breach",
            "Leverage of account {subject} exceeds its limit",
            "A move that should be survivable may not be.",
            "Reduce positions until leverage is below its limit.",
        ),
    ),
    unit=Unit.NUMBER,
)  # fmt: skip

MARGIN: Final = Limit(
    "margin", "Margin level",
    m.MARGIN_LEVEL, Side.BELOW, Category.PORTFOLIO, Layer.PORTFOLIO,
    ("account",),
    (
        AlertSpec(
            "MARGIN_LOW", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.exposure.margin_warning_pct",
            "Margin of account {subject} is getting thin",
            "Equity is not far above the margin that open positions need.",
            "Reduce positions or add collateral before the venue decides.",
        ),
        AlertSpec(
            "MARGIN_CRITICAL", Tier.CRITICAL, Severity.CRITICAL, Action.EMERGENCY_REDUCE,
            f"{_T}.exposure.margin_critical_pct",
            "Margin of account {subject} is nearly used up",
            "The venue is close to liquidating positions at any price.",
            "Reduce positions now; a liquidation costs more.",
        ),
    ),
)  # fmt: skip

COST_BUDGET: Final = Limit(
    "cost_budget", "Budget usage",
    m.COST_BUDGET_USAGE, Side.ABOVE, Category.SYSTEM, Layer.SYSTEM,
    ("account", "budget"),
    (
        AlertSpec(
            "COST_BUDGET_WARNING", Tier.WARNING, Severity.WARNING, Action.NOTIFY,
            f"{_T}.budget.usage_warning_pct",
            "Budget {subject} is nearly spent",
            "Most of what data and API calls may cost in this period is spent.",
            "Find out what calls most; raise the budget if it is worth it.",
        ),
        AlertSpec(
            "COST_BUDGET_EXCEEDED", Tier.CRITICAL, Severity.CRITICAL, Action.NOTIFY,
            f"{_T}.budget.usage_breach_pct",
            "Budget {subject} is overspent",
            "Data or API calls cost more than they may; the provider may cut them off.",
            "Slow down or stop what calls most, before the provider does.",
        ),
    ),
)  # fmt: skip
