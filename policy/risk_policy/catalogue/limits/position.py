"""Layer 2: single positions."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits.limit import AlertSpec, Limit, Side, Unit
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier

_T: Final = "alerting.thresholds"

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
    loss=True,
)  # fmt: skip

WITHOUT_STOP: Final = Limit(
    "without_stop", "Time without a stop",
    m.POSITION_WITHOUT_STOP, Side.ABOVE, Category.POSITION, Layer.POSITION,
    ("account", "symbol"),
    (
        AlertSpec(
            "POSITION_WITHOUT_STOP", Tier.CRITICAL, Severity.CRITICAL, Action.BLOCK_TRADE,
            f"{_T}.position.without_stop_seconds",
            "Position {subject} has no stop",
            "Nothing closes the position if the market moves against it.",
            "Place a stop, or close the position.",
        ),
    ),
    unit=Unit.SECONDS,
)  # fmt: skip

TIME_EXIT: Final = Limit(
    "time_exit", "Periods held",
    m.POSITION_AGE, Side.ABOVE, Category.POSITION, Layer.POSITION,
    ("account", "symbol"),
    (
        AlertSpec(
            "TIME_EXIT_OVERDUE", Tier.WARNING, Severity.WARNING, Action.FORCE_CLOSE_REVIEW,
            f"{_T}.position.max_hold_periods",
            "Position {subject} is held longer than it may",
            "The position should have been closed by time; its exit was missed.",
            "Close it, or find out why its time exit did not work.",
        ),
    ),
    unit=Unit.NUMBER,
)  # fmt: skip

VOLATILITY_EXPANSION: Final = Limit(
    "volatility_expansion", "Volatility since entry",
    m.POSITION_ATR, Side.ABOVE, Category.POSITION, Layer.POSITION,
    ("account", "symbol"),
    (
        AlertSpec(
            "VOLATILITY_EXIT_EXPANSION", Tier.WARNING, Severity.WARNING, Action.FORCE_CLOSE_REVIEW,
            f"{_T}.position.volatility_exit_expansion",
            "Volatility of {subject} has expanded since entry",
            "The market is no longer the one the position was opened in: stop and size are too "
            "small and too large.",
            "Close the position, or size and stop it anew.",
        ),
    ),
    unit=Unit.NUMBER,
    inclusive=True,
)  # fmt: skip

VOLATILITY_CONTRACTION: Final = Limit(
    "volatility_contraction", "Volatility since entry",
    m.POSITION_ATR, Side.BELOW, Category.POSITION, Layer.POSITION,
    ("account", "symbol"),
    (
        AlertSpec(
            "VOLATILITY_EXIT_CONTRACTION", Tier.WARNING, Severity.WARNING,
            Action.FORCE_CLOSE_REVIEW,
            f"{_T}.position.volatility_exit_contraction",
            "Volatility of {subject} has collapsed since entry",
            "The move that the position was opened for is not coming; it ties up capital.",
            "Close the position, or record why it stays open.",
        ),
    ),
    unit=Unit.NUMBER,
    inclusive=True,
)  # fmt: skip
