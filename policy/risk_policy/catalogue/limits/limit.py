"""What a limit is: a watched quantity, its thresholds, and what follows from crossing them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from risk_policy.catalogue.metrics import Metric
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier


class Side(Enum):
    """On which side of the threshold the danger lies."""

    ABOVE = ">"
    BELOW = "<"

    @property
    def sign(self) -> int:
        """1 if the danger grows with the value, -1 if it shrinks with it."""
        return 1 if self is Side.ABOVE else -1


class Kind(Enum):
    """What a metric's number is, in its base unit."""

    RATIO = "ratio"
    TIME = "time"
    NUMBER = "number"


class Unit(Enum):
    """How a threshold is written in the policy, and its size in the metric's base unit."""

    PERCENT = (Kind.RATIO, 0.01)
    BASIS_POINTS = (Kind.RATIO, 0.0001)
    SECONDS = (Kind.TIME, 1)
    MILLISECONDS = (Kind.TIME, 0.001)
    NUMBER = (Kind.NUMBER, 1)

    def __init__(self, kind: Kind, base: float) -> None:
        self.kind = kind
        self.base = base


#: Thresholds are rounded to this many decimals when they are converted.
_DECIMALS: Final = 10


@dataclass(frozen=True, slots=True)
class AlertSpec:
    """One tier of a limit.

    Attributes:
        name: the alertname.
        threshold: dotted policy key, always written as a positive number.
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
        metric: what it is judged by; the labels of ``identity`` and ``risk_id`` are among its own.
        side: ABOVE if large values are dangerous, BELOW if small ones are.
        identity: labels that say what a breach is about; the account comes first.
        alerts: mildest tier first.
        unit: of the thresholds in the policy.
        loss: thresholds are written as positive losses, while the metric is negative then.
        absolute: the size counts, whatever the sign.
        inclusive: a value that reaches the threshold is already beyond it, as with counts.
        cooldown: dotted policy section whose ``cooldown_minutes`` an alert is held for, counted
            from what ``cooldown_from`` says; empty if it is not. Only where the account-level
            value outlives the breach.
    """

    name: str
    title: str
    metric: Metric
    side: Side
    category: Category
    layer: Layer
    identity: tuple[str, ...]
    alerts: tuple[AlertSpec, ...]
    unit: Unit = Unit.PERCENT
    loss: bool = False
    absolute: bool = False
    inclusive: bool = False
    cooldown: str = ""

    def bound(self, threshold: float) -> float:
        """A threshold of the policy in the metric's base unit."""
        value = round(threshold * self.unit.base, _DECIMALS)
        return -value if self.loss else value

    def clear_level(self, bound: float, margin: float) -> float:
        """Where an alert clears: ``margin`` (a ratio) of the threshold back towards safety."""
        return round(bound - self.side.sign * abs(bound) * margin, _DECIMALS)

    @property
    def operator(self) -> str:
        """PromQL's comparison that is true beyond a level."""
        return self.side.value + ("=" if self.inclusive else "")

    @property
    def is_account_level(self) -> bool:
        """Whether it is about what exists as long as the account does, not about a holding."""
        return {"account", "strategy", "venue", "budget"}.issuperset(self.identity)
